"""The report: what the evaluations found, as one HTML file, as Markdown and as JSON."""
