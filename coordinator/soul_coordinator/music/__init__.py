"""The music that this server has itself: what is in a folder, and who may hear it for a while."""
