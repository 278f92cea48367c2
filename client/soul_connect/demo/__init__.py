"""What `serve --demo` brings along: an album of its own."""
