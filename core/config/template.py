"""The plugins.toml that `treeledger init` writes."""

from __future__ import annotations

from typing import Final

TEMPLATE: Final = """\
# treeledger: what is kept, how, and who is told.
# Every key has a default; what is commented out shows it, or an example. Test a change with
#     treeledger config check
# and see what holds, and where each value comes from, with
#     treeledger config show
# A file that others can write is refused, because plugins are code: chmod go-w plugins.toml

#host = "nas"                      # this machine's name in a shared ledger; default: the machine's id
#plugin_dirs = ["my_plugins"]      # each *.py in it is a plugin; relative to this file

[store]
#url = "postgresql://treeledger@db/treeledger"   # default: sqlite in the user's state folder
#password = "env:LEDGER_PASSWORD"  # env:NAME | file:PATH | credential:NAME
#auto_migrate = false              # default: SQLite yes, after a backup; PostgreSQL no
#retention = "90d"                 # of records of deleted files; "forever" keeps them
#journal_retention = "400d"        # of the journal's entries, by a daemon; default: for ever

[api]                              # of a running engine: treeledger daemon, treeledger watch
#socket = "/run/treeledger/api.sock"   # default: in the folder of the system for what runs
#socket_group = "nas"              # may use the socket, too
#listen = "127.0.0.1:8733"         # TCP as well; read only, unless there are tokens
#token = "env:TREELEDGER_TOKEN"    # may do everything; env:NAME | file:PATH | credential:NAME
#read_token = "file:/run/secrets/read"
#hosts = ["nas.local"]             # names under which it is asked; default: its address, localhost
#metrics_listen = "127.0.0.1:9733"     # /metrics and /healthz only

[attention]                        # who is told of what waits for a person
#notify = ["phone"]                # plugins below
#kinds = ["held", "offline", "degraded", "corrupted", "dead_job"]
#remind = "1d"                     # default

[log]                              # of treeledger daemon
#level = "info"                    # debug | info | warning | error
#format = "text"                   # text | json
#file = "/var/log/treeledger.log"  # default: standard error
#max_size = "10MiB"                # then a new one is begun
#keep = 5                          # old ones

[tui]                              # the dashboard
#theme = "treeledger-light"        # any of those that ctrl+p, Theme shows
#keymap = { "home.scan" = "f5" }   # other keys, by the ids in docs/tui.md

[defaults]                         # each repository may override what follows
#profile = "small"                 # small | large | high-change
#change_key = "auto"               # auto | strict | no-ctime | size-mtime
#max_delete = { files = 1000, percent = 50, floor = 20, window = "10m" }   # beyond: held for a person
#cross_mounts = false              # go on into file systems mounted inside
#priority = ["Inbox/"]             # scanned and hashed first

[defaults.file_watcher]
#source = "auto"                   # auto | watchdog | polling
#debounce = "500ms"                # default: 500ms; polling 3s

[defaults.reconciliation]
#schedule = "0 2 * * *"            # cron, local time; or an interval, which wins:
#interval = "24h"
#startup_scan = true
#batch_size = 100
#max_concurrency = 4
#calculate_hashes = true
#hashers = ["sha256"]              # the first names the content
#max_hash_size = "50GiB"           # larger files are recorded without a hash; default: no limit
#hash_timeout = "1h"               # for one file; default: no limit
#quick_scan_interval = "30m"       # look again where something changed lately; default: never
#smart = false                     # earlier where much changes, later while the machine is busy
#jitter = "20m"                    # scheduled work begins up to so much later; default: 0s
#quiet_hours = "18:00-23:30"       # no scheduled work then; default: none
#max_rate = "40MB/s"               # of contents read; default: no limit
#ionice = "normal"                 # normal | low | idle

[defaults.scrub]                   # the running engine scrubs by itself; default: never
#schedule = "0 4 1 * *"            # or an interval
#percent = 10                      # the first limit that is reached ends it; default: an hour
#files = 10000
#bytes = "100GB"
#time = "1h"

[defaults.ignore]
#builtin = true                    # hidden names, *~, *.tmp, ...: treeledger ignore list
#presets = ["synology"]            # lumilio | synology | nextcloud
#patterns = ["*.lrdata/", "!.nomedia"]           # gitignore dialect, the last match wins
#files = true                      # .treeledgerignore files in the tree

[defaults.filter]
#types = ["image/*", "video/*"]    # by file name; default: all
#min_size = "100kB"

# A repository is one folder under care. Without any here, `treeledger watch DIR` makes one.
#[[repositories]]
#name = "photos"
#root = "/data/photos"
#id = "6f1f7c1e-0b0e-4c55-9a55-0b8f2d1d7a11"     # keeps the history when name or root changes
#paused = false
#shown_as = "/volume1/photo"       # what people call it outside the container
#marker = "2024"                   # the root counts as offline without this entry
#ignore = { patterns = ["inbox/"] }              # added to the defaults

# An action runs only if it has a table.
#[plugins.phone]                   # an instance under a name of its own ...
#use = "webhook"                   # ... of this plugin
#url = "env:NTFY_URL"
#repositories = ["photos"]         # default: all
#backfill = false                  # true: also what was there before this action

#[plugins.notes]
#file = "my_plugins/notes.py"      # a plugin of your own; relative to this file
"""
