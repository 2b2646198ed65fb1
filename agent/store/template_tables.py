"""Template tables: the versions of templates, what serves, and unsaved text, as queries see them.

The tables themselves are made by ``agent/store/migrations``, in the feedback log's database.
"""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Integer, MetaData, Table, Text

_metadata = MetaData()
version_table = Table(
    "template_version",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("pack", Text),
    Column("name", Text),
    Column("version", Integer),
    Column("role", Text),
    Column("parent", Integer),
    Column("author", Text),
    Column("note", Text),
    Column("timestamp", Float),
    Column("hash", Text),
    Column("source", Text),
    Column("origin", Text),
)
serving_table = Table(
    "template_serving",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("pack", Text),
    Column("role", Text),
    Column("timestamp", Float),
    Column("author", Text),
    Column("note", Text),
    Column("action", Text),
    Column("shares", JSON),
    Column("previous", Integer),
)
draft_table = Table(
    "template_draft",
    _metadata,
    Column("owner", Text, primary_key=True),
    Column("pack", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("parent", Integer),
    Column("source", Text),
    Column("updated", Float),
)
