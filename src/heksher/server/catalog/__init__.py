"""Everything that queries are answered from, in memory: settings and rules at one revision, and answers as bytes.

::

    picture    settings and rules at one revision; never changed
    effect     which queries a write affects
    advance    a picture and the log entries after it -> the next picture, and their effects
    query      a query on a picture -> the bytes of its answer
    answer     an answer as it is sent: bytes, compressed bytes, entity tags
    history    the log entries after a revision, and whether the database has lost that one
    cache      the answers to recent queries, bounded
    catalog    the current picture with its cache, replaced by one assignment; follows the change log
    availability    whether the database can be reached
    reader     a picture as a unit of reading work sees it, for when the database is away
    guarded    the storage with the catalog behind it: reads go on without the database
    updater    the thread that keeps the catalog at the newest revision
"""
