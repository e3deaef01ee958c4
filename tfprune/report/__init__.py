"""Results for people to read."""

from tfprune.report.summary import KernelRow, Summary, summarise, summary

__all__ = ["KernelRow", "Summary", "summarise", "summary"]
