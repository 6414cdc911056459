"""Reports: facts as JSON first, then the same facts as a page, as Markdown and as a registry entry, in two editions."""
