"""Look into files: what they hold, what it might be, and a project file made from that."""
