-- Monitors of what texts say: how far each has come, the alerts it gave, to whom they went, and what is muted.

CREATE TABLE monitor (
    name TEXT PRIMARY KEY, -- data set, facet, value and grouping
    settings TEXT NOT NULL, -- JSON; a monitor with other settings begins anew
    state TEXT NOT NULL, -- JSON: the last day that was judged, and the detector of every series
    updated REAL NOT NULL -- seconds since 1970
);

CREATE TABLE alert (
    id TEXT PRIMARY KEY, -- made from monitor, series and day, so that no day gives one twice
    monitor TEXT NOT NULL REFERENCES monitor (name),
    series TEXT NOT NULL,
    opened TEXT NOT NULL, -- ISO date
    closed TEXT, -- ISO date; NULL while it lasts
    detail TEXT NOT NULL, -- JSON: what was usual, what was seen, which topics and texts
    acknowledged REAL, -- seconds since 1970
    acknowledged_by TEXT
);
CREATE INDEX alert_monitor ON alert (monitor, opened);

CREATE TABLE alert_delivery (
    number INTEGER PRIMARY KEY,
    alert TEXT NOT NULL REFERENCES alert (id),
    event TEXT NOT NULL, -- opened or closed
    channel TEXT NOT NULL, -- console, a file's path or a webhook's address
    delivered REAL, -- seconds since 1970; NULL: still to be done
    UNIQUE (alert, event, channel)
);

CREATE TABLE alert_mute (
    monitor TEXT NOT NULL,
    series TEXT NOT NULL,
    until TEXT NOT NULL, -- ISO date, the last muted day
    PRIMARY KEY (monitor, series)
);
