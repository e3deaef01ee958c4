"""The page is one file: well-formed, without anything from outside, whatever names it shows."""

import re
from html.parser import HTMLParser

import pytest
from report.samples import HOSTILE, report_of

from tfprune.report import Report

VOID = {"meta", "input", "br", "img", "link"}


class Strict(HTMLParser):
    """Refuses elements that are not closed, and notes all elements and attributes."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.seen, self.attributes, self.ids = [], set(), [], []

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), (tag, names)
        self.attributes += [(tag, name, value) for name, value in attributes]
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(page):
    parser = Strict()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    return parser


KNOWN = {
    "html", "head", "meta", "title", "style", "body", "div", "header", "p", "button", "h1", "h2", "h3", "b", "article",
    "span", "svg", "rect", "path", "circle", "text", "tspan", "nav", "a", "main", "section", "table", "thead", "tbody",
    "tr", "th", "td", "input", "output", "ol", "ul", "li", "figure", "figcaption", "pre", "code", "dl", "dt", "dd",
    "footer", "script",
}  # fmt: skip


@pytest.mark.parametrize("names", [None, HOSTILE, [name * 3 for name in HOSTILE]])
def test_names_are_text_whatever_they_are(names):
    page = report_of(names=names).to_html()
    page.encode()
    found = read(page)
    assert found.seen <= KNOWN
    assert page.count("<script") == page.count("</script") == 1
    assert page.count("<style") == 1
    for tag, name, value in found.attributes:
        assert not name.startswith("on"), (tag, name)
        assert name not in ("src", "style", "srcset", "action", "xlink:href"), (tag, name)
        assert name != "href" or value.startswith("#")
        assert value is None or len(value) < 600 or name in ("d", "content"), (tag, name)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\ud800-\udfff]", page)


def test_it_can_reach_nothing():
    page = report_of().to_html()
    assert "http:" not in page
    assert "https:" not in page
    assert "@import" not in page
    assert "url(" not in page
    policy = next(
        value for tag, _, value in read(page).attributes if tag == "meta" and value and "default-src" in value
    )
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


def test_links_lead_somewhere():
    found = read(report_of().to_html())
    links = {value[1:] for _, name, value in found.attributes if name == "href"}
    assert links == {"front", "stages", "training", "files", "layers", "channels", "weights", "time", "made"}
    assert links <= set(found.ids)
    for tag, name, value in found.attributes:
        if name in ("aria-labelledby", "data-filter"):
            assert value in found.ids, (tag, name)


def test_five_hundred_layers_fit_into_a_megabyte():
    page = report_of(500).to_html()
    read(page)
    assert len(page.encode()) <= 1_000_000
    assert page.count('scope="row"') == 501


def test_the_same_report_is_the_same_page():
    assert report_of().to_html() == report_of().to_html()
    assert report_of().to_html() == Report.from_json(report_of().to_json()).to_html()


def test_what_is_not_known_is_left_out():
    page = Report("net", "models").to_html()
    found = read(page)
    assert "section" not in found.seen
    assert "svg" not in found.seen
