"""The private names of Dagster by which the UI is served, each with its reason.

Apart from ``internals`` since they load gRPC, which the definitions do without.
"""

from __future__ import annotations

# What the server of the definitions raises while it does not answer.
from dagster._core.errors import DagsterUserCodeUnreachableError as DagsterUserCodeUnreachableError

# Dagster's own command builds these and serves without a guard, so the process that serves the UI builds them.
from dagster._core.workspace.context import WorkspaceProcessContext as WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget as GrpcServerTarget

# Asks the server of the definitions whether they are loaded.
from dagster._grpc.client import DagsterGrpcClient as DagsterGrpcClient
