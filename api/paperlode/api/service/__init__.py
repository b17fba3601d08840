"""The service behind the query API: tenants, their keys and collections, and the queue of jobs that survives."""
