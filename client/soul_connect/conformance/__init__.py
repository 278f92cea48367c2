"""Does a server, or somebody else's client, keep the contract? Asked over a real broker."""
