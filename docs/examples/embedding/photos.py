"""Takes a folder under care, scans it, watches it for a while: python photos.py FOLDER LEDGER"""

import os.path
import sys

import anyio

from treeledger import Ledger
from treeledger.errors import EngineLocked, RootOffline


async def main(folder: str, file: str) -> None:
    async with Ledger.open(store=f"sqlite:{file}") as ledger:
        target = await ledger.find_or_add(folder)
        photos = target.repository

        operation = await ledger.trigger_reconciliation(photos.id)
        print(f"operation {operation.id}: {operation.counts.files_added} added")

        async with ledger.started([photos.id]):
            # It watches from here on, while your program does its own work.
            await ledger.trigger_reconciliation(photos.id, rehash=True)
            status = await ledger.sync_status(photos.id)
            print(f"{photos.name}: {status.total_files} files, {status.total_bytes} bytes")

        async for record in ledger.list_file_records(photos.id):
            print(record.path, record.stat.size, record.content_hash)

        record = await ledger.get_file_record(photos.id, "a.jpg")
        print("a.jpg is", "not known" if record is None else record.state)

        for operation in await ledger.sync_operations(photos.id, limit=3):
            print(operation.type, operation.status, operation.counts.files_scanned)


if __name__ == "__main__":
    try:
        anyio.run(main, os.path.abspath(sys.argv[1]), sys.argv[2])
    except (RootOffline, EngineLocked) as error:
        sys.exit(f"photos.py: {error}")
