// What operations ask of their arguments, and the copies they make where a kernel needs contiguous numbers.
import CSwiftNN

/// The float type of a call: float32 or float64. This and what follows is inlined into every operation, the messages are not.
@inline(__always)
func floatType(_ array: UnsafePointer<snn_array>?, _ operation: StaticString) throws(Failure) -> Int32 {
    guard let array else { throw isNull("the input", operation) }
    let dtype = array.pointee.dtype
    guard dtype == Int32(SNN_FLOAT32) || dtype == Int32(SNN_FLOAT64) else { throw noFloat(dtype, operation) }
    return dtype
}

/// A required array of T.
@inline(__always)
func view<T: Element>(
    _ array: UnsafePointer<snn_array>?, _ name: StaticString, _ operation: StaticString, _: T.Type
) throws(Failure) -> ArrayView<T> {
    guard let array else { throw isNull(name, operation) }
    return try typed(array, name, operation, T.self)
}

@inline(__always)
func optionalView<T: Element>(
    _ array: UnsafePointer<snn_array>?, _ name: StaticString, _ operation: StaticString, _: T.Type
) throws(Failure) -> ArrayView<T>? {
    guard let array else { return nil }
    return try typed(array, name, operation, T.self)
}

@inline(__always)
private func typed<T: Element>(
    _ array: UnsafePointer<snn_array>, _ name: StaticString, _ operation: StaticString, _: T.Type
) throws(Failure) -> ArrayView<T> {
    guard array.pointee.dtype == T.dtype else { throw otherType(array.pointee.dtype, T.dtype, name, operation) }
    try requireShape(array, name, operation)
    return ArrayView<T>(array)
}

/// Throws where `array` has more dimensions than a Shape, or none at all (ndim < 0), a negative size, or sizes whose product would not fit.
@inline(__always)
func requireShape(_ array: UnsafePointer<snn_array>, _ name: StaticString, _ operation: StaticString) throws(Failure) {
    guard array.pointee.ndim >= 0 && array.pointee.ndim <= Int32(SNN_MAX_DIMS) else {
        throw badDimensions(Int(array.pointee.ndim), name, operation)
    }
    guard Shape(array).isPossible else { throw badShape(Shape(array), name, operation) }
}

/// The sizes of a shape that is given as numbers.
func sizes(
    _ values: UnsafePointer<Int64>?, _ count: Int64, _ name: StaticString, _ operation: StaticString
) throws(Failure) -> Shape {
    guard count >= 0 && count <= Int64(SNN_MAX_DIMS) else { throw badDimensions(Int(count), name, operation) }
    var shape = Shape()
    for i in 0..<Int(count) { shape.append(Int(values.unsafelyUnwrapped[i])) }
    guard shape.isPossible else { throw badShape(shape, name, operation) }
    return shape
}

/// An array of int64.
func indexView(
    _ array: UnsafePointer<snn_array>?, _ name: StaticString, _ operation: StaticString
) throws(Failure) -> ArrayView<Int64> {
    guard let array else { throw isNull(name, operation) }
    guard array.pointee.dtype == Int32(SNN_INT64) else {
        throw Message(operation).text(": ").text(name).text(" is ").dtype(array.pointee.dtype).text("; expected int64").typeError
    }
    try requireShape(array, name, operation)
    return ArrayView<Int64>(array)
}

/// Throws unless `array` has exactly this shape.
@inline(__always)
func require<T>(_ array: ArrayView<T>?, _ shape: Shape, _ name: StaticString, _ operation: StaticString) throws(Failure) {
    guard let array, array.shape != shape else { return }
    throw otherShape(array.shape, shape, name, operation)
}

@inline(never)
private func isNull(_ name: StaticString, _ operation: StaticString) -> Failure {
    Message(operation).text(": ").text(name).text(" is NULL").valueError
}

@inline(never)
private func noFloat(_ dtype: Int32, _ operation: StaticString) -> Failure {
    Message(operation).text(": input is ").dtype(dtype).text("; expected float32 or float64, convert it with astype").typeError
}

@inline(never)
private func otherType(_ dtype: Int32, _ expected: Int32, _ name: StaticString, _ operation: StaticString) -> Failure {
    Message(operation).text(": ").text(name).text(" is ").dtype(dtype).text("; expected ").dtype(expected)
        .text(", the type of the other arrays").typeError
}

@inline(never)
private func badDimensions(_ count: Int, _ name: StaticString, _ operation: StaticString) -> Failure {
    Message(operation).text(": ").text(name).text(" has ").number(count).text(" dimensions; 0 to 8 are possible").shapeError
}

@inline(never)
private func badShape(_ shape: Shape, _ name: StaticString, _ operation: StaticString) -> Failure {
    for i in 0..<shape.count where shape[i] < 0 {
        return Message(operation).text(": ").text(name).text(" is ").shape(shape).text("; sizes cannot be negative").shapeError
    }
    return Message(operation).text(": ").text(name).text(" is ").shape(shape).text(", more elements than can be counted").shapeError
}

@inline(never)
private func otherShape(_ shape: Shape, _ expected: Shape, _ name: StaticString, _ operation: StaticString) -> Failure {
    Message(operation).text(": ").text(name).text(" has shape ").shape(shape).text("; expected ").shape(expected).shapeError
}

/// Contiguous numbers of a view: its own memory where it is contiguous, else a copy in scratch memory.
struct Contiguous<T: Element> {
    let data: UnsafePointer<T>
    private let scratch: Scratch<T>?

    init(_ x: ArrayView<T>) throws(Failure) {
        if x.isContiguous {
            data = x.data
            scratch = nil
        } else {
            let copy = try Scratch<T>(x.size)
            copyContiguous(x, to: copy.base)
            data = UnsafePointer(copy.base)
            scratch = copy
        }
    }
    /// What was made elsewhere.
    init(_ own: Scratch<T>) {
        data = UnsafePointer(own.base)
        scratch = own
    }
    func release() { scratch?.release() }
}

/// Writes the elements of x in C order.
func copyContiguous<T: Element>(_ x: ArrayView<T>, to out: UnsafeMutablePointer<T>) {
    let v = x.collapsed()
    if v.size == 0 { return }
    if v.count == 0 {
        out[0] = v.data[0]
        return
    }
    let n = v.shape[v.count - 1]
    for row in 0..<(v.size / n) {
        T.kernels.pointee.copy(v.data + v.offset(row, dims: v.count - 1), Int64(v.strides[v.count - 1]), out + row * n, Int64(n))
    }
}

/// Calls body(x, flat index, n) on pieces of x in C order, each contiguous: the caller's memory, or a gathered copy of up to `gather`
/// numbers. Pieces are spread over threads; cost is the work of an element in multiply-adds.
func forEachPiece<T: Element>(_ x: ArrayView<T>, cost: Int, _ body: (UnsafePointer<T>, Int, Int) -> Void) {
    let v = x.collapsed()
    let total = v.size
    if total == 0 { return }
    let threads = ThreadPool.threads(forWork: total &* cost)
    let n = v.count == 0 ? 1 : v.shape[v.count - 1]
    let stride = v.count == 0 ? 1 : v.strides[v.count - 1]
    if stride == 1 && (v.count <= 1 || n >= 64) {
        // whole rows, long ones cut
        let piece = min(n, 32_768)
        let perRow = ceilDivide(n, piece)
        ThreadPool.run(total / n * perRow, threads: threads) { task, _ in
            let start = task % perRow * piece
            let row = task / perRow
            body(v.data + (v.offset(row, dims: v.count - 1) + start), row * n + start, min(piece, n - start))
        }
        return
    }
    let gather = 128
    let rowsPerTask = max(1, 8192 / n)
    ThreadPool.run(ceilDivide(total / n, rowsPerTask), threads: threads) { task, _ in
        withUnsafeTemporaryAllocation(of: T.self, capacity: gather) { buffer in
            let b = buffer.baseAddress.unsafelyUnwrapped
            for row in (task * rowsPerTask)..<min(total / n, (task + 1) * rowsPerTask) {
                let from = v.data + v.offset(row, dims: max(v.count - 1, 0))
                var i = 0
                while i < n {
                    let count = min(gather, n - i)
                    T.kernels.pointee.copy(from + i * stride, Int64(stride), b, Int64(count))
                    body(UnsafePointer(b), row * n + i, count)
                    i += count
                }
            }
        }
    }
}

/// How an operation writes contiguous rows of a result of `total` numbers: into place, or where the result is too large for the caches,
/// piece by piece into a buffer that is then written past them.
struct RowWriter<T: Element> {
    private let streams: Bool

    init(total: Int) { streams = total &* MemoryLayout<T>.stride >= Blocking.streamRowsBytes }

    /// compute(i, y, n) writes numbers i ..< i + n of the row to y.
    @inline(__always)
    func write(_ row: UnsafeMutablePointer<T>, _ n: Int, _ compute: (Int, UnsafeMutablePointer<T>, Int) -> Void) {
        // Of short rows too many lines would be written in part.
        guard streams && n >= 256 && UInt(bitPattern: row) % 64 == 0 else { return compute(0, row, n) }
        withUnsafeTemporaryAllocation(of: T.self, capacity: 2048) { buffer in
            let piece = buffer.baseAddress.unsafelyUnwrapped
            var i = 0
            while i < n {
                let count = min(2048, n - i)
                compute(i, piece, count)
                T.kernels.pointee.stream(piece, row + i, Int64(count))
                i += count
            }
        }
    }
    /// Ends a task: what it wrote is seen by other threads.
    @inline(__always) func end() { if streams { snn_stream_end() } }
}

extension snn_array {
    /// The memory of an output as T.
    func data<T>(_: T.Type) -> UnsafeMutablePointer<T> { data.unsafelyUnwrapped.assumingMemoryBound(to: T.self) }
}
