"""The report: what the evaluations found, as one HTML file, as Markdown and as JSON."""

from eval.report.building import SECTIONS, build, write
from eval.report.gathering import ReportRun, from_file
from eval.report.reading import ReportError, read_document

__all__ = ["SECTIONS", "ReportError", "ReportRun", "build", "from_file", "read_document", "write"]
