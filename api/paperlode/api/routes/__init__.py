"""The endpoints of the query API, one file a subject."""
