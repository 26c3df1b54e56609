// What operations make of a weight before they use it (packed panels, transformed filters), kept from call to call in the array's
// snn_cache. The caller's `version` says when the weight may have changed; what was made of another version is dropped. A thing is kept
// when it is asked for the second time, or at once where it was asked for twice of the version before, as by a training step whose
// backward pass uses what its forward pass made. Weights that change at every call cost no memory of their own.
import CSwiftNN

/// Which thing made of a weight; a and b tell its variants apart (rows used, tile width), `rows` and `columns` the taps of filters.
struct PreparedKey {
    /// No enum: those are Hashable, and the seed of hashing asks for a function that is newer than most systems' libc (glibc 2.36).
    struct Kind {
        private let number: UInt8
        static var gemmPanels: Kind { Kind(number: 0) }
        static var filterPanels: Kind { Kind(number: 1) }
        static var winogradFilters: Kind { Kind(number: 2) }
        static var recurrentPanels: Kind { Kind(number: 3) }
        static var recurrentInput: Kind { Kind(number: 4) }
        static var recurrentTransposed: Kind { Kind(number: 5) }
        static var winogradLines: Kind { Kind(number: 6) }
        static var turnedPanels: Kind { Kind(number: 7) }
        static func == (x: Kind, y: Kind) -> Bool { x.number == y.number }
    }
    let kind: Kind
    var a = 0
    var b = 0
    var rows = (first: 0, step: 0)
    var columns = (first: 0, step: 0)

    static func == (x: PreparedKey, y: PreparedKey) -> Bool {
        x.kind == y.kind && x.a == y.a && x.b == y.b && x.rows == y.rows && x.columns == y.columns
    }
}

// Nodes are C memory with counts of their own, no Swift objects: those cannot be asked for without a trap where there is no memory.

/// A thing made of a weight, or (base nil) the note that it is to be kept the next time. Freed when its cache and the last call let go of it.
private struct Kept {
    let key: PreparedKey
    var base: UnsafeMutableRawPointer?
    var next: UnsafeMutablePointer<Kept>?
    var holders: Int64 = 1
    /// How often it was asked for of this version.
    var asked: Int

    /// nil where there is no memory.
    static func note(_ key: PreparedKey, asked: Int, next: UnsafeMutablePointer<Kept>?) -> UnsafeMutablePointer<Kept>? {
        let node = malloc(MemoryLayout<Kept>.size)?.bindMemory(to: Kept.self, capacity: 1)
        node?.initialize(to: Kept(key: key, base: nil, next: next, asked: asked))
        return node
    }
    static func release(_ node: UnsafeMutablePointer<Kept>) {
        if snn_atomic_add(&node.pointee.holders, -1) > 1 { return }
        if let base = node.pointee.base { snn_free(base) }
        free(node)
    }
}

/// What an snn_cache pointer points to; guarded by the cache lock, as is the list of all of them.
private struct PreparedCache {
    var version: Int64 = 0
    var first: UnsafeMutablePointer<Kept>?
    var before: UnsafeMutablePointer<PreparedCache>?
    var after: UnsafeMutablePointer<PreparedCache>?
    nonisolated(unsafe) static var all: UnsafeMutablePointer<PreparedCache>?

    static func from(_ pointer: OpaquePointer) -> UnsafeMutablePointer<PreparedCache> { UnsafeMutablePointer(pointer) }

    mutating func clear() {
        while let node = first {
            first = node.pointee.next
            Kept.release(node)
        }
    }

    /// Goes on to another version: what was asked for twice of the last one leaves a note.
    mutating func renew(_ version: Int64) {
        self.version = version
        var old = first
        first = nil
        while let node = old {
            old = node.pointee.next
            // Without memory for the note the thing counts as never asked for.
            if node.pointee.asked > 1, let note = Kept.note(node.pointee.key, asked: 0, next: first) { first = note }
            Kept.release(node)
        }
    }

    // The two below take the cache as a pointer: a method that mutates it would have exclusive access before it has the lock.

    /// The thing, which the caller then holds, or whether it should be kept once it is made; from the second time on it should.
    static func find(
        _ key: PreparedKey, in cache: UnsafeMutablePointer<PreparedCache>, version: Int64
    ) -> (kept: UnsafeMutablePointer<Kept>?, keep: Bool) {
        snn_cache_lock()
        defer { snn_cache_unlock() }
        if cache.pointee.version != version { cache.pointee.renew(version) }
        var node = cache.pointee.first
        while let kept = node {
            if kept.pointee.key == key {
                kept.pointee.asked += 1
                if kept.pointee.base == nil { return (nil, true) }
                _ = snn_atomic_add(&kept.pointee.holders, 1)
                return (kept, true)
            }
            node = kept.pointee.next
        }
        if let note = Kept.note(key, asked: 1, next: cache.pointee.first) { cache.pointee.first = note }
        return (nil, false)
    }

    /// Gives the note its memory, and a hold of it to the caller; nil where it is gone, or another thread has put the thing there meanwhile.
    static func keep(
        _ key: PreparedKey, _ base: UnsafeMutableRawPointer, in cache: UnsafeMutablePointer<PreparedCache>, version: Int64
    ) -> UnsafeMutablePointer<Kept>? {
        snn_cache_lock()
        defer { snn_cache_unlock() }
        var node = cache.pointee.version == version ? cache.pointee.first : nil
        while let kept = node {
            if kept.pointee.key == key && kept.pointee.base == nil {
                kept.pointee.base = base
                _ = snn_atomic_add(&kept.pointee.holders, 1)
                return kept
            }
            node = kept.pointee.next
        }
        return nil
    }

    /// Drops what all caches keep; calls that use it still hold it.
    static func clearAll() {
        snn_cache_lock()
        defer { snn_cache_unlock() }
        var node = all
        while let cache = node {
            cache.pointee.clear()
            node = cache.pointee.after
        }
    }
}

@_cdecl("snn_cache_create") @implementation
public func snn_cache_create() -> OpaquePointer! {
    guard let cache = malloc(MemoryLayout<PreparedCache>.size)?.bindMemory(to: PreparedCache.self, capacity: 1) else { return nil }
    snn_cache_lock()
    defer { snn_cache_unlock() }
    cache.initialize(to: PreparedCache(after: PreparedCache.all))
    cache.pointee.after?.pointee.before = cache
    PreparedCache.all = cache
    return OpaquePointer(cache)
}

@_cdecl("snn_cache_free") @implementation
public func snn_cache_free(_ pointer: OpaquePointer!) {
    guard let pointer else { return }
    let cache = PreparedCache.from(pointer)
    snn_cache_lock()
    if let before = cache.pointee.before { before.pointee.after = cache.pointee.after } else { PreparedCache.all = cache.pointee.after }
    cache.pointee.after?.pointee.before = cache.pointee.before
    cache.pointee.clear()
    snn_cache_unlock()
    free(cache)
}

/// Drops what is kept in all caches.
func clearPreparedCaches() { PreparedCache.clearAll() }

/// The memory of a prepared thing, for the length of an operation.
struct Prepared<T: Element> {
    let base: UnsafeMutablePointer<T>
    private let kept: UnsafeMutablePointer<Kept>?

    fileprivate init(_ base: UnsafeMutableRawPointer, _ kept: UnsafeMutablePointer<Kept>?) {
        self.base = base.assumingMemoryBound(to: T.self)
        self.kept = kept
    }
    /// Ends the use; scratch memory is freed.
    func release() {
        if let kept { Kept.release(kept) } else { snn_free(base) }
    }
}

/// `count` numbers that `make` fills from the weight `array`: from the array's cache where they are there, else made now, and kept if the
/// cache is asked for them the second time; never without an array. `make` has to write the same numbers whenever the weight and the key are the same.
func prepared<T: Element>(
    _ array: UnsafePointer<snn_array>?, _ key: PreparedKey, count: Int, _ make: (UnsafeMutablePointer<T>) throws(Failure) -> Void
) throws(Failure) -> Prepared<T> {
    if let array, let kept = try keptOnly(array, key, count: count, make) { return kept }
    return Prepared(try made(count, make).base, nil)
}

/// The same, or nil where the thing would not be kept: for operations that are better off without it then.
func keptOnly<T: Element>(
    _ array: UnsafePointer<snn_array>, _ key: PreparedKey, count: Int, _ make: (UnsafeMutablePointer<T>) throws(Failure) -> Void
) throws(Failure) -> Prepared<T>? {
    guard let pointer = array.pointee.cache else { return nil }
    let cache = PreparedCache.from(pointer), version = array.pointee.version
    let (kept, keep) = PreparedCache.find(key, in: cache, version: version)
    if let kept, let base = kept.pointee.base { return Prepared(base, kept) }
    if !keep { return nil }
    let memory = try made(count, make)
    return Prepared(memory.base, PreparedCache.keep(key, memory.base, in: cache, version: version))
}

private func made<T: Element>(
    _ count: Int, _ make: (UnsafeMutablePointer<T>) throws(Failure) -> Void
) throws(Failure) -> Scratch<T> {
    let memory = try Scratch<T>(count)
    do {
        try make(memory.base)
        try Interrupt.check()
    } catch {
        memory.release()
        throw error
    }
    return memory
}
