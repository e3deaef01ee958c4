"""Results for people to read."""

from tfprune.report.data import Report
from tfprune.report.folders import of_folder
from tfprune.report.making import make
from tfprune.report.summary import KernelRow, Summary, summarise, summary

__all__ = ["KernelRow", "Report", "Summary", "make", "of_folder", "summarise", "summary"]
