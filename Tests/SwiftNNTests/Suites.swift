import Testing

/// The parent of all suites. One test at a time: the thread number and the allocator's statistics belong to the whole process.
@Suite(.serialized) struct AllTests {}
