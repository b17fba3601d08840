"""The tables of the service: who may do what, and what is to be done. Times are seconds since 1970 (UTC)."""

from __future__ import annotations

import sqlalchemy as sa

from paperlode.ingest.ledger_text import Text

__all__ = ["VERSION", "audit", "collections", "events", "jobs", "keys", "meta", "metadata", "tenants"]

VERSION = 1

metadata = sa.MetaData()

meta = sa.Table(
    "service_meta",
    metadata,
    sa.Column("key", Text(), primary_key=True),
    sa.Column("value", Text(), nullable=False),
)
tenants = sa.Table(
    "service_tenants",
    metadata,
    sa.Column("id", Text(36), primary_key=True),
    sa.Column("name", Text(), nullable=False, unique=True),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("served", sa.Float, nullable=False),  # when a worker last took a job of it: the longest ago is next
)
keys = sa.Table(
    "service_keys",
    metadata,
    sa.Column("id", Text(16), primary_key=True),
    sa.Column("tenant", Text(36), sa.ForeignKey("service_tenants.id"), nullable=False, index=True),
    sa.Column("name", Text(), nullable=False),
    sa.Column("hash", Text(64), nullable=False),
    sa.Column("scope", Text(8), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("expires", sa.Float),
    sa.Column("revoked", sa.Float),
)
collections = sa.Table(
    "service_collections",
    metadata,
    sa.Column("id", Text(36), primary_key=True),
    sa.Column("tenant", Text(36), sa.ForeignKey("service_tenants.id"), nullable=False, index=True),
    sa.Column("name", Text(), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.UniqueConstraint("tenant", "name"),
)
jobs = sa.Table(
    "service_jobs",
    metadata,
    sa.Column("id", Text(36), primary_key=True),
    sa.Column("tenant", Text(36), nullable=False, index=True),
    sa.Column("collection", Text(36), nullable=False),
    sa.Column("path", Text(), nullable=False),  # of the file, where the service keeps it
    sa.Column("name", Text(), nullable=False),  # of the file, as it was uploaded
    sa.Column("content", Text(64), nullable=False),  # digest of its bytes
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("state", Text(12), nullable=False),
    sa.Column("again", sa.Boolean, nullable=False),  # pages that failed are to be read again
    sa.Column("cancel", sa.Boolean, nullable=False),  # it was asked for while a worker had the job
    sa.Column("attempts", sa.Integer, nullable=False),  # begun since it last got on
    sa.Column("pages", sa.Integer, nullable=False),
    sa.Column("pages_done", sa.Integer, nullable=False),
    sa.Column("pages_failed", sa.Integer, nullable=False),
    sa.Column("code", Text(), nullable=False),  # why it failed; empty where it has not
    sa.Column("reason", Text(), nullable=False),
    sa.Column("hint", Text(), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("updated", sa.Float, nullable=False),
    sa.Column("not_before", sa.Float, nullable=False),  # it is not tried again earlier
    sa.Column("worker", Text(), nullable=False),  # that has it; empty: none
    sa.Column("lease", sa.Float, nullable=False),  # until when, unless the worker says that it is still there
    sa.Index("service_jobs_waiting", "state", "not_before"),
    sa.Index("service_jobs_listed", "tenant", "collection", "created", "id"),
)
events = sa.Table(
    "service_events",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("job", Text(36), nullable=False, index=True),
    sa.Column("tenant", Text(36), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("data", Text(), nullable=False),  # JSON: the job as it was then
)
audit = sa.Table(
    "service_audit",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("tenant", Text(36), nullable=False, index=True),
    sa.Column("key", Text(16), nullable=False),  # id of the key; empty where none was asked for
    sa.Column("request", Text(64), nullable=False),
    sa.Column("method", Text(8), nullable=False),
    sa.Column("path", Text(), nullable=False),
    sa.Column("query", Text(), nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
)
