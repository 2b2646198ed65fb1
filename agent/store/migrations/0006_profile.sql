-- What a person keeps across chats, if they want to.

CREATE TABLE profile (
    owner TEXT PRIMARY KEY, -- as in conversation
    document TEXT NOT NULL, -- JSON: whether taste is kept, the presses that tell it, and the items saved for later
    updated REAL NOT NULL -- seconds since 1970
);
