-- The watch over the watch.

-- Open duties that nothing would ever look at again. Empty but for a fault, so that looking for them costs nothing.
CREATE INDEX duties_without_wake ON duties (id) WHERE state = 'open' AND wake_at IS NULL;

-- What the last look at a part of the watch found wrong, for readiness; zero is well. `found_at` is the machine clock.
CREATE TABLE watch_findings (
    part TEXT NOT NULL PRIMARY KEY,
    found INTEGER NOT NULL,
    found_at INTEGER NOT NULL
) STRICT;

-- When a clinic's administrator was last told of a fault of the watch, on the clinical clock: at most once an hour.
CREATE TABLE watch_told (
    clinic_id TEXT NOT NULL PRIMARY KEY REFERENCES clinics (id),
    told_at INTEGER NOT NULL
) STRICT;

-- One row: the last verified cycle of a process that stands in for the workers. No heartbeat: the dose stays locked.
CREATE TABLE standby (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    clinical_at INTEGER NOT NULL,
    machine_at INTEGER NOT NULL
) STRICT;

-- When each job of housekeeping was last begun (machine clock), so that neither a restart nor a second worker repeats it.
CREATE TABLE housekeeping (
    job TEXT NOT NULL PRIMARY KEY,
    ran_at INTEGER NOT NULL
) STRICT;
