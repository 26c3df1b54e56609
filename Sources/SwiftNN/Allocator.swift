// The caching allocator of results and scratch memory. First touch of fresh memory costs more than most kernels, so freed blocks are kept,
// sorted by size class, and handed out again; large blocks are backed by huge pages.
import CSwiftNN

#if EXACT_MEMORY
    /// For memory checkers (Tests/checked): every block is one of libc's, not a byte larger than was asked for, and goes back at once.
    private enum Cache {
        nonisolated(unsafe) static var bytesUsed = 0
        nonisolated(unsafe) static var blocksUsed = 0
        nonisolated(unsafe) static var blocksFresh = 0
        static var bytesCached: Int { 0 }
        static var blocksReused: Int { 0 }

        static func take(_ bytes: Int) -> UnsafeMutableRawPointer? {
            var block: UnsafeMutableRawPointer?
            guard posix_memalign(&block, 64, max(bytes, 1)) == 0, let block else { return nil }
            snn_allocator_lock()
            bytesUsed += size(block)
            blocksUsed += 1
            blocksFresh += 1
            snn_allocator_unlock()
            return block
        }

        static func give(_ block: UnsafeMutableRawPointer) {
            snn_allocator_lock()
            bytesUsed -= size(block)
            blocksUsed -= 1
            snn_allocator_unlock()
            CSwiftNN.free(block)
        }

        static func size(_ block: UnsafeMutableRawPointer) -> Int { malloc_usable_size(block) }

        static func releaseAll() -> Int { 0 }
    }
#else
    /// 64 bytes in front of every block.
    private struct Header {
        var next: UnsafeMutableRawPointer?
        var sizeClass: Int
        var capacity: Int
        var mapped: Int
        var requested: Int
    }

    private enum Cache {
        static var headerSize: Int { 64 }
        static var hugePage: Int { 2 << 20 }
        static var mapThreshold: Int { 1 << 20 }
        nonisolated(unsafe) static var free = InlineArray<256, UnsafeMutableRawPointer?>(repeating: nil)
        nonisolated(unsafe) static var bytesUsed = 0
        nonisolated(unsafe) static var bytesCached = 0
        nonisolated(unsafe) static var blocksUsed = 0
        nonisolated(unsafe) static var blocksFresh = 0
        nonisolated(unsafe) static var blocksReused = 0
        nonisolated(unsafe) static var limit = 0

        /// Classes grow by a quarter of a power of two: at most 25% of a block is unused.
        static func sizeClass(_ bytes: Int) -> (index: Int, capacity: Int) {
            if bytes <= 256 {
                let k = (bytes + 63) / 64
                return (k, k * 64)
            }
            let exponent = Int.bitWidth - 1 - (bytes - 1).leadingZeroBitCount  // 2^exponent <= bytes - 1
            let quarter = 1 << (exponent - 2)
            let step = (bytes - 1 - (1 << exponent)) / quarter
            return (5 + (exponent - 8) * 4 + step, (1 << exponent) + (step + 1) * quarter)
        }

        static func header(_ block: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Header> {
            (block - headerSize).assumingMemoryBound(to: Header.self)
        }

        static func size(_ block: UnsafeMutableRawPointer) -> Int { header(block).pointee.requested }

        /// A quarter of the machine's memory, at most 2 GiB.
        static func cacheLimit() -> Int {
            if limit == 0 {
                let pages = sysconf(Int32(_SC_PHYS_PAGES)), size = sysconf(Int32(_SC_PAGESIZE))
                limit = pages > 0 && size > 0 ? min(pages / 4 * size, 2 << 30) : 256 << 20
            }
            return limit
        }

        static func take(_ bytes: Int) -> UnsafeMutableRawPointer? {
            let (index, capacity) = sizeClass(max(bytes, 1))
            snn_allocator_lock()
            if let block = free[index] {
                free[index] = header(block).pointee.next
                bytesCached -= capacity
                bytesUsed += capacity
                blocksUsed += 1
                blocksReused += 1
                header(block).pointee.requested = bytes
                snn_allocator_unlock()
                return block
            }
            snn_allocator_unlock()
            guard let base = fresh(capacity) else {
                // The system has no more: give it what lies here unused, and ask once more.
                if Cache.releaseAll() == 0 { return nil }
                guard let base = fresh(capacity) else { return nil }
                return register(base, index, capacity, bytes)
            }
            return register(base, index, capacity, bytes)
        }

        private static func register(_ base: UnsafeMutableRawPointer, _ index: Int, _ capacity: Int, _ bytes: Int)
            -> UnsafeMutableRawPointer
        {
            let block = base + headerSize
            header(block).initialize(
                to: Header(next: nil, sizeClass: index, capacity: capacity, mapped: mappedLength(capacity), requested: bytes))
            snn_allocator_lock()
            bytesUsed += capacity
            blocksUsed += 1
            blocksFresh += 1
            snn_allocator_unlock()
            return block
        }

        /// Whole huge pages: weights of 1 and 3 MB that lie on small pages are read at two thirds of the speed.
        private static func mappedLength(_ capacity: Int) -> Int {
            let length = capacity + headerSize
            return length < mapThreshold ? 0 : (length + hugePage - 1) & ~(hugePage - 1)
        }

        private static func fresh(_ capacity: Int) -> UnsafeMutableRawPointer? {
            let length = mappedLength(capacity)
            if length == 0 {
                // a multiple of 64, as aligned_alloc wants it
                return aligned_alloc(64, capacity + headerSize)
            }
            // Mapped with room to begin at a huge page's boundary; what is too much goes back at once.
            let room = length + hugePage
            guard let start = mmap(nil, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), start != snn_map_failed() else {
                return nil
            }
            let aligned = UnsafeMutableRawPointer(bitPattern: (UInt(bitPattern: start) + UInt(hugePage - 1)) & ~UInt(hugePage - 1))
                .unsafelyUnwrapped
            let before = aligned - start
            if before > 0 { munmap(start, before) }
            if hugePage - before > 0 { munmap(aligned + length, hugePage - before) }
            madvise(aligned, length, Int32(MADV_HUGEPAGE))
            return aligned
        }

        static func discard(_ block: UnsafeMutableRawPointer) {
            let length = header(block).pointee.mapped
            if length == 0 { CSwiftNN.free(block - headerSize) } else { munmap(block - headerSize, length) }
        }

        static func give(_ block: UnsafeMutableRawPointer) {
            let index = header(block).pointee.sizeClass
            let capacity = header(block).pointee.capacity
            snn_allocator_lock()
            bytesUsed -= capacity
            blocksUsed -= 1
            let keep = bytesCached + capacity <= cacheLimit()
            if keep {
                header(block).pointee.next = free[index]
                free[index] = block
                bytesCached += capacity
            }
            snn_allocator_unlock()
            if !keep { discard(block) }
        }

        static func releaseAll() -> Int {
            var list: UnsafeMutableRawPointer?
            snn_allocator_lock()
            let bytes = bytesCached
            for i in 0..<256 {
                while let block = free[i] {
                    free[i] = header(block).pointee.next
                    header(block).pointee.next = list
                    list = block
                }
            }
            bytesCached = 0
            snn_allocator_unlock()
            while let block = list {
                list = header(block).pointee.next
                discard(block)
            }
            return bytes
        }
    }
#endif

@_cdecl("snn_allocate") @implementation
public func snn_allocate(_ bytes: Int) -> UnsafeMutableRawPointer! {
    // Above 2^46 no address space has room; sizeClass relies on it.
    bytes < 0 || bytes > 1 << 46 ? nil : Cache.take(bytes)
}

@_cdecl("snn_free") @implementation
public func snn_free(_ block: UnsafeMutableRawPointer!) {
    if let block { Cache.give(block) }
}

@_cdecl("snn_allocated_size") @implementation
public func snn_allocated_size(_ block: UnsafeRawPointer!) -> Int {
    block == nil ? 0 : Cache.size(UnsafeMutableRawPointer(mutating: block))
}

@_cdecl("snn_release_memory") @implementation
public func snn_release_memory() -> Int {
    clearPreparedCaches()
    return Cache.releaseAll()
}

@_cdecl("snn_memory_stats") @implementation
public func snn_memory_stats(_ out: UnsafeMutablePointer<Int64>!) {
    snn_allocator_lock()
    out[0] = Int64(Cache.bytesUsed)
    out[1] = Int64(Cache.bytesCached)
    out[2] = Int64(Cache.blocksUsed)
    out[3] = Int64(Cache.blocksFresh)
    out[4] = Int64(Cache.blocksReused)
    snn_allocator_unlock()
}

/// Scratch memory for the length of an operation; freed by release().
struct Scratch<T> {
    let base: UnsafeMutablePointer<T>

    init(_ count: Int) throws(Failure) {
        let (bytes, overflow) = max(count, 1).multipliedReportingOverflow(by: MemoryLayout<T>.stride)
        guard !overflow, let block = snn_allocate(bytes) else {
            throw Message("there is no memory for the ").number(count).text(" numbers that the operation works with").memoryError
        }
        base = block.assumingMemoryBound(to: T.self)
    }
    func release() { snn_free(base) }
}
