"""The private names of Dagster's SQL storage that Fineline relies on, each with its reason.

Apart from ``internals`` since they load SQLAlchemy, which the definitions do without.
"""

from __future__ import annotations

import sqlalchemy as sa

# With SQLite, each run has a file of its own, which stays when the run is deleted.
from dagster._core.storage.event_log import SqliteEventLogStorage as SqliteEventLogStorage

# Forgetting blanks free text in the tables of all three storages, through the connections that they use themselves.
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage as SqlEventLogStorage
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage as SqlRunStorage
from dagster._core.storage.schedules.sql_schedule_storage import SqlScheduleStorage as SqlScheduleStorage

# Columns of unbounded text by which Dagster finds a row again, in and out of constraints and unique indexes.
_KEYS = {
    "asset_key",
    "check_name",
    "concurrency_key",
    "dagster_event_type",
    "job_name",
    "key",
    "name",
    "partition",
    "partition_set",
    "partitions_def_name",
    "pipeline_name",
    "run_id",
    "run_storage_id",
    "selector_id",
    "status",
    "step_key",
}
# Where the daemon keeps its cursors.
_CURSORS = "kvs"


def free_text(table: sa.Table) -> set[str]:
    """The columns of one of Dagster's tables that hold text by which nothing is found again."""
    keys = (sa.PrimaryKeyConstraint, sa.ForeignKeyConstraint, sa.UniqueConstraint)
    found = {column.name for each in table.constraints if isinstance(each, keys) for column in each.columns}
    found |= {column.name for index in table.indexes if index.unique for column in index.columns}
    texts = (each for each in table.columns if isinstance(each.type, sa.String) and each.type.length is None)
    return {each.name for each in texts if each.name not in _KEYS | found and table.name != _CURSORS}
