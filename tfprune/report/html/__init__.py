"""The page of a report."""

from tfprune.report.html.page import page

__all__ = ["page"]
