// Sums over the rows of a matrix, which the gradients of weights are, in an order that depends on the matrix's shape alone.
import CSwiftNN

/// Calls add(rows, a, b), which adds what some rows give to the n numbers at a and at b, for all `rows` rows, and writes the totals to
/// first and second (where nil, so is a or b). Up to 32 tasks, each in chunks of 64 rows: short sums lose fewer digits than one long one.
func accumulateRows<T: Element>(
    _ rows: Int, _ n: Int, _ first: UnsafeMutablePointer<T>?, _ second: UnsafeMutablePointer<T>?, work: Int,
    _ add: (Range<Int>, UnsafeMutablePointer<T>?, UnsafeMutablePointer<T>?) -> Void
) throws(Failure) {
    let chunk = 64
    let perTask = max(ceilDivide(rows, 32), 8_192 / max(n, 1), 1)
    let tasks = ceilDivide(rows, perTask)
    let threads = ThreadPool.threads(forWork: work)
    let sums = (first == nil ? 0 : 1) + (second == nil ? 0 : 1)
    let size = sums * n
    let scratch = try Scratch<T>(size * (tasks + threads))
    defer { scratch.release() }
    ThreadPool.run(tasks, threads: threads) { task, worker in
        let total = scratch.base + task * size
        let end = min(rows, (task + 1) * perTask)
        var start = task * perTask
        var into = total
        while start < end {
            memset(into, 0, size * MemoryLayout<T>.stride)
            let stop = min(end, start + chunk)
            add(start..<stop, first == nil ? nil : into, second == nil ? nil : into + (size - n))
            if into != total { T.kernels.pointee.add(total, into, total, Int64(size)) }
            into = scratch.base + (tasks + worker) * size
            start = stop
        }
    }
    if let first { sumTasks(scratch.base, tasks, size, first, n) }
    if let second { sumTasks(scratch.base + (size - n), tasks, size, second, n) }
}

/// y = the sum of `count` rows of n numbers, one after the other.
func sumTasks<T: Element>(_ x: UnsafePointer<T>, _ count: Int, _ stride: Int, _ y: UnsafeMutablePointer<T>, _ n: Int) {
    let piece = 4096
    ThreadPool.run(ceilDivide(n, piece), threads: ThreadPool.threads(forWork: count * n)) { task, _ in
        let at = task * piece
        let size = min(piece, n - at)
        if count == 0 { memset(y + at, 0, size * MemoryLayout<T>.stride) }
        for i in 0..<count {
            let from = x + (i * stride + at)
            if i == 0 {
                T.kernels.pointee.copy(from, 1, y + at, Int64(size))
            } else {
                T.kernels.pointee.add(y + at, from, y + at, Int64(size))
            }
        }
    }
}

/// A view's last dimension as columns and all others as rows of one stride each, one of them 1: the caller's memory, or a copy.
struct Matrix<T: Element> {
    let data: UnsafePointer<T>
    let rows: Int
    let columns: Int
    let rowStride: Int
    let columnStride: Int
    private let copy: Contiguous<T>?

    /// contiguousRows: the columns' stride has to be 1.
    init(_ x: ArrayView<T>, rows: Int, columns: Int, contiguousRows: Bool = false) throws(Failure) {
        let n = x.count
        let leading = ArrayView(data: x.data, shape: x.shape.slice(0, n - 1), strides: x.strides.slice(0, n - 1)).collapsed()
        let rowStep = leading.count == 0 ? columns : leading.strides[0]
        let columnStep = x.strides[n - 1]
        self.rows = rows
        self.columns = columns
        if leading.count <= 1 && (columnStep == 1 || (rowStep == 1 && !contiguousRows)) {
            data = x.data
            rowStride = rowStep
            columnStride = columnStep
            copy = nil
        } else {
            let own = try Contiguous(x)
            data = own.data
            rowStride = columns
            columnStride = 1
            copy = own
        }
    }
    func release() { copy?.release() }

    /// Rows first ..< first + count, as long as the whole is not released.
    func rows(_ first: Int, _ count: Int) -> Matrix {
        Matrix(data: data + first * rowStride, rows: count, columns: columns, rowStride: rowStride, columnStride: columnStride)
    }
    private init(data: UnsafePointer<T>, rows: Int, columns: Int, rowStride: Int, columnStride: Int) {
        self.data = data
        self.rows = rows
        self.columns = columns
        self.rowStride = rowStride
        self.columnStride = columnStride
        copy = nil
    }

    var byRows: RowMatrix<T> { RowMatrix(data, rows: rows, rowStride: rowStride, columnStride: columnStride) }
    /// The transposed matrix.
    var byColumns: RowMatrix<T> { RowMatrix(data, rows: columns, rowStride: columnStride, columnStride: rowStride) }
}
