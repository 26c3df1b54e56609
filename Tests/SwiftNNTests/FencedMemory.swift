// Memory that shows when somebody leaves it: it ends at a page that nobody may touch, and begins behind bytes that must not change.
import Foundation

/// `count` bytes that end at an inaccessible page.
final class FencedBytes {
    let start: UnsafeMutableRawPointer
    let count: Int
    private let base: UnsafeMutableRawPointer
    private let length: Int
    private static let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    private static let margin = 128
    private static let mark: UInt8 = 0xa5

    init(_ count: Int) {
        let page = Self.page
        self.count = count
        let room = (count + Self.margin + page - 1) / page * page
        length = room + page
        guard let mapped = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), mapped != MAP_FAILED else {
            fatalError("mmap of \(length) bytes failed")
        }
        base = mapped
        start = base + (room - count)
        memset(start - Self.margin, Int32(Self.mark), Self.margin)
        guard mprotect(base + room, page, PROT_NONE) == 0 else { fatalError("mprotect failed") }
    }
    deinit { munmap(base, length) }

    var contents: [UInt8] { [UInt8](UnsafeRawBufferPointer(start: start, count: count)) }

    /// Nothing was written in front of the memory.
    var isIntact: Bool { (1...Self.margin).allSatisfy { (start - $0).load(as: UInt8.self) == Self.mark } }
}

/// An array of T in fenced memory. Tests that share one between threads write through atomics.
final class Fenced<T: BitwiseCopyable>: @unchecked Sendable {
    private let bytes: FencedBytes
    let count: Int
    var pointer: UnsafeMutablePointer<T> { bytes.start.assumingMemoryBound(to: T.self) }
    var isIntact: Bool { bytes.isIntact }
    var values: [T] { [T](UnsafeBufferPointer(start: pointer, count: count)) }

    init(_ values: [T]) {
        count = values.count
        bytes = FencedBytes(values.count * MemoryLayout<T>.stride)
        for (i, value) in values.enumerated() { pointer[i] = value }
    }
    convenience init(_ count: Int, _ value: T) { self.init([T](repeating: value, count: count)) }

    subscript(i: Int) -> T { pointer[i] }
}
