"""The room: the only package that sees rows and exact counts."""
