"""Charts as data: what is measured goes in, a ``Chart`` comes out; whoever shows it draws it (the server: as SVG)."""
