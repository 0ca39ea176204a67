"""Dagster's webserver behind the guard, as a process of its own: python -m fineline.jobs.ui.server SERVING."""

from __future__ import annotations

import dagster as dg
import uvicorn
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__

from fineline.jobs.ui.guard import Guard
from fineline.jobs.ui.serving import LOCATION, Serving, token
from fineline.resources.core.orchestrator.service_internals import GrpcServerTarget, WorkspaceProcessContext
from fineline.resources.core.presentation.output import quieten_output

# As in Dagster's own command: how long a query of the UI may take, and the connections that are kept open.
STATEMENT_SECONDS, RECYCLE_SECONDS, MORE_CONNECTIONS = 15, 3600, 20
POLL_SECONDS = 2


def serve(serving: Serving) -> None:
    """Serve the UI until a signal ends this process."""
    target = GrpcServerTarget(host="localhost", port=None, socket=serving.code_socket, location_name=LOCATION)
    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(STATEMENT_SECONDS * 1000, RECYCLE_SECONDS, MORE_CONNECTIONS)
        with WorkspaceProcessContext(instance, target, __version__, serving.read_only) as workspace:
            app = create_app_from_workspace_process_context(workspace, live_data_poll_rate=POLL_SECONDS * 1000)
            guarded = Guard(app, {*serving.names, serving.host}, token(), serving.read_only)
            uvicorn.run(guarded, host=serving.host, port=serving.port, log_level="warning")


if __name__ == "__main__":
    quieten_output()
    serve(Serving.from_arguments())
