-- The loop that learns from the chat: one row a round, from its beginning on.

CREATE TABLE loop_round (
    number INTEGER PRIMARY KEY, -- order of the rounds
    data TEXT NOT NULL, -- the data set
    started REAL NOT NULL, -- seconds since 1970
    ended REAL, -- NULL: it is going on, or was broken off
    phase TEXT NOT NULL, -- serving, training, comparing or done
    document TEXT NOT NULL -- JSON: what was logged, trained, estimated and decided, and why
);
CREATE INDEX loop_round_data ON loop_round (data, number);

CREATE TRIGGER loop_round_no_delete BEFORE DELETE ON loop_round
BEGIN SELECT RAISE (ABORT, 'loop_round is append-only'); END;
