"""The package that is handed to a partner: what is in it, how it is signed, and how it is verified."""
