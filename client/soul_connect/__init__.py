"""Soul Connect's client library."""
