// What operations make of a weight before they use it (packed panels, transformed filters), kept from call to call in the array's
// snn_cache. The caller's `version` says when the weight may have changed; what was made of another version is dropped. A thing is kept
// when it is asked for the second time: weights that change at every call, as in training, cost no memory of their own.
import CSwiftNN

/// Which thing made of a weight; a and b tell its variants apart (rows used, tile width).
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
        static func == (x: Kind, y: Kind) -> Bool { x.number == y.number }
    }
    let kind: Kind
    var a = 0
    var b = 0

    static func == (x: PreparedKey, y: PreparedKey) -> Bool { x.kind == y.kind && x.a == y.a && x.b == y.b }
}

/// A thing made of a weight, or (base nil) the note that it was asked for once. Freed when its cache and the last call let go of it.
private final class Kept {
    let key: PreparedKey
    var base: UnsafeMutableRawPointer?
    var next: Kept?

    init(_ key: PreparedKey) { self.key = key }
    deinit { if let base { snn_free(base) } }
}

/// The object behind an snn_cache pointer; guarded by the cache lock, as is the list of all of them.
private final class PreparedCache {
    private var version: Int64 = 0
    private var first: Kept?
    private var before: Unmanaged<PreparedCache>?
    private var after: Unmanaged<PreparedCache>?
    nonisolated(unsafe) private static var all: Unmanaged<PreparedCache>?

    static func from(_ pointer: OpaquePointer) -> PreparedCache {
        Unmanaged<PreparedCache>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
    }

    /// The thing, or whether it should be kept once it is made; from the second time on it should.
    func find(_ key: PreparedKey, version: Int64) -> (kept: Kept?, keep: Bool) {
        let note = Kept(key)
        snn_cache_lock()
        defer { snn_cache_unlock() }
        if self.version != version {
            first = nil
            self.version = version
        }
        var node = first
        while let kept = node {
            if kept.key == key { return (kept.base == nil ? nil : kept, true) }
            node = kept.next
        }
        note.next = first
        first = note
        return (nil, false)
    }

    /// Gives the note its memory; the thing that another thread has put there meanwhile stays.
    func keep(_ key: PreparedKey, _ base: UnsafeMutableRawPointer, version: Int64) -> Kept {
        snn_cache_lock()
        defer { snn_cache_unlock() }
        var node = self.version == version ? first : nil
        while let kept = node {
            if kept.key == key && kept.base == nil {
                kept.base = base
                return kept
            }
            node = kept.next
        }
        let own = Kept(key)
        own.base = base
        return own
    }

    func register() {
        snn_cache_lock()
        defer { snn_cache_unlock() }
        let this = Unmanaged.passUnretained(self)
        after = PreparedCache.all
        after?.takeUnretainedValue().before = this
        PreparedCache.all = this
    }

    func unregister() {
        snn_cache_lock()
        defer { snn_cache_unlock() }
        if let before { before.takeUnretainedValue().after = after } else { PreparedCache.all = after }
        after?.takeUnretainedValue().before = before
    }

    /// Drops what all caches keep; calls that use it still hold it.
    static func clearAll() {
        snn_cache_lock()
        defer { snn_cache_unlock() }
        var node = all
        while let cache = node {
            cache.takeUnretainedValue().first = nil
            node = cache.takeUnretainedValue().after
        }
    }
}

@_cdecl("snn_cache_create") @implementation
public func snn_cache_create() -> OpaquePointer! {
    let cache = PreparedCache()
    cache.register()
    return OpaquePointer(Unmanaged.passRetained(cache).toOpaque())
}

@_cdecl("snn_cache_free") @implementation
public func snn_cache_free(_ pointer: OpaquePointer!) {
    guard let pointer else { return }
    PreparedCache.from(pointer).unregister()
    Unmanaged<PreparedCache>.fromOpaque(UnsafeRawPointer(pointer)).release()
}

/// Drops what is kept in all caches.
func clearPreparedCaches() { PreparedCache.clearAll() }

/// The memory of a prepared thing, for the length of an operation.
struct Prepared<T: Element> {
    let base: UnsafeMutablePointer<T>
    private let kept: Kept?

    fileprivate init(_ base: UnsafeMutableRawPointer, _ kept: Kept?) {
        self.base = base.assumingMemoryBound(to: T.self)
        self.kept = kept
    }
    /// Ends the use; scratch memory is freed.
    func release() {
        if kept == nil { snn_free(base) }
        withExtendedLifetime(kept) {}
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
    let (kept, keep) = cache.find(key, version: version)
    if let kept, let base = kept.base { return Prepared(base, kept) }
    if !keep { return nil }
    let memory = try made(count, make)
    let new = cache.keep(key, memory.base, version: version)
    return Prepared(memory.base, new)
}

private func made<T: Element>(
    _ count: Int, _ make: (UnsafeMutablePointer<T>) throws(Failure) -> Void
) throws(Failure) -> Scratch<T> {
    let memory = try Scratch<T>(count)
    do { try make(memory.base) } catch {
        memory.release()
        throw error
    }
    return memory
}
