"""The typed protocols that plugins implement: what each hook of `treeledger.hookspecs` returns.

Sync parts (trees, filters, hashers) are built inside the worker that uses them, from a `PartRef`;
async parts (stores, sources, actions) live in the engine's event loop. Streams carry batches.
"""

from __future__ import annotations

from treeledger.protocols.actions import Action as Action
from treeledger.protocols.metrics import Collector as Collector
from treeledger.protocols.panels import Line as Line
from treeledger.protocols.panels import Panel as Panel
from treeledger.protocols.panels import PanelKey as PanelKey
from treeledger.protocols.panels import Piece as Piece
from treeledger.protocols.panels import Tone as Tone
from treeledger.protocols.parts import Digest as Digest
from treeledger.protocols.parts import DirectoryFilter as DirectoryFilter
from treeledger.protocols.parts import Entry as Entry
from treeledger.protocols.parts import Hasher as Hasher
from treeledger.protocols.parts import IgnoreFilter as IgnoreFilter
from treeledger.protocols.parts import PartRef as PartRef
from treeledger.protocols.parts import ReadText as ReadText
from treeledger.protocols.parts import Tree as Tree
from treeledger.protocols.parts import Verdict as Verdict
from treeledger.protocols.parts import Walker as Walker
from treeledger.protocols.readers import FilePlace as FilePlace
from treeledger.protocols.readers import KeyRow as KeyRow
from treeledger.protocols.readers import LedgerReader as LedgerReader
from treeledger.protocols.receivers import Receiver as Receiver
from treeledger.protocols.sources import EventSource as EventSource
from treeledger.protocols.sources import SourceHealth as SourceHealth
from treeledger.protocols.sources import Watch as Watch
from treeledger.protocols.store_values import EPOCH as EPOCH
from treeledger.protocols.store_values import FIRST_PROBLEM as FIRST_PROBLEM
from treeledger.protocols.store_values import HALF_COPY as HALF_COPY
from treeledger.protocols.store_values import MOST_COUNTED as MOST_COUNTED
from treeledger.protocols.store_values import MOST_WEIGHED as MOST_WEIGHED
from treeledger.protocols.store_values import Added as Added
from treeledger.protocols.store_values import Applied as Applied
from treeledger.protocols.store_values import FileOrder as FileOrder
from treeledger.protocols.store_values import FileQuery as FileQuery
from treeledger.protocols.store_values import Gone as Gone
from treeledger.protocols.store_values import HeldFolder as HeldFolder
from treeledger.protocols.store_values import JobCount as JobCount
from treeledger.protocols.store_values import LastOperations as LastOperations
from treeledger.protocols.store_values import Migration as Migration
from treeledger.protocols.store_values import NewFile as NewFile
from treeledger.protocols.store_values import ProblemPlace as ProblemPlace
from treeledger.protocols.store_values import RecordPlace as RecordPlace
from treeledger.protocols.store_values import ScrubPlace as ScrubPlace
from treeledger.protocols.store_values import StoreOptions as StoreOptions
from treeledger.protocols.store_values import Tally as Tally
from treeledger.protocols.store_values import Twins as Twins
from treeledger.protocols.store_values import iterate_batches as iterate_batches
from treeledger.protocols.stores import Store as Store
from treeledger.protocols.tables import CopyableStore as CopyableStore
from treeledger.protocols.tables import PlainRow as PlainRow
from treeledger.protocols.tables import Table as Table
from treeledger.protocols.tables import Tables as Tables
