"""``heksher bulk``: several writes together."""

import click

from heksher.cli.remote.description import count
from heksher.cli.remote.exit_status import write_epilog
from heksher.cli.remote.operation_file import Operations, operations_argument
from heksher.cli.remote.service import connect
from heksher.cli.remote.write import WriteOptions, write_all, write_options


@click.command(
    epilog=write_epilog(
        '[{"method": "PUT", "path": "/api/v1/rules/7/value", "body": {"value": 10}},',
        ' {"method": "DELETE", "path": "/api/v1/rules/8"}]',
        heading="FILE is such as",
    )
)
@operations_argument
@write_options
def bulk(operations: Operations, options: WriteOptions) -> None:
    """Make several writes together: all of them, or none.

    FILE, which may be - for the standard input, has a list of operations as JSON: writes of the API.
    """
    with connect() as service:
        write_all(service, operations, options, f"{count(len(operations), 'operation')} done")
