// LOOP 5 to 3 of the GEMM: C = residual + act(bias + A B) from packed panels. One operand is packed whole and stays (the stationary one),
// the other is packed block by block inside the tasks. Every element of C is a sum of chains over blocks of k that depend on k alone, so
// neither the tiles nor the split into tasks can change a bit.
import CSwiftNN

enum Blocking {
    /// Depth of a block: the deeper, the less often C is read and written again, but the more digits its chains of multiply-adds lose.
    /// The same on every level, for the bits depend on it.
    static var kc: Int { 256 }
    /// Depth that rows of A are packed to at a time: blocks of it follow each other while the part of C they add to is in the nearest cache.
    static func rowDepth(_ k: Int) -> Int { min(max(k, 1), 4 * kc) }
    /// What a thread can expect of the second-level cache.
    static var cacheBytes: Int { 1 << 20 }
    /// Results of this size are not worth keeping in a cache.
    static var streamBytes: Int { 8 << 20 }
    /// Results of element-wise operations of this size are written past the caches, which are left to their inputs.
    static var streamRowsBytes: Int { 16 << 20 }
    /// Numbers of a result so small that threads do better to share its sums than its elements.
    static var smallResult: Int { 1 << 15 }
    /// The most rows of a task when B is stationary: it and its half are multiples of every level's mr.
    static var mc: Int { 96 }
    /// Columns of a task when A is stationary: a multiple of every level's 4 nr, rounded up to whole groups of three panels where tiles take
    /// three vectors.
    static var nc: Int { 256 }
}

func roundUp(_ n: Int, _ step: Int) -> Int { (n + step - 1) / step * step }
func ceilDivide(_ n: Int, _ d: Int) -> Int { (n + d - 1) / d }

/// k cut into blocks of about the same depth, none above kc.
struct Depths {
    let count: Int
    let whole: Int
    private let size: Int

    init(_ k: Int) {
        whole = k
        count = max(1, ceilDivide(k, Blocking.kc))
        // a multiple of 16 keeps the blocks' ends on cache lines of the rows they are packed from
        size = min(Blocking.kc, roundUp(ceilDivide(k, count), 16))
    }
    /// Where block d begins, and its depth.
    subscript(d: Int) -> (start: Int, depth: Int) { (d * size, min(size, whole - d * size)) }
}

/// A matrix whose rows stand in groups: row i at (i / inner) * outerStride + (i % inner) * rowStride.
struct RowMatrix<T> {
    let data: UnsafePointer<T>
    let rows: Int
    let inner: Int
    let outerStride: Int
    let rowStride: Int
    let columnStride: Int

    init(_ data: UnsafePointer<T>, rows: Int, rowStride: Int, columnStride: Int) {
        self.init(data, rows: rows, inner: max(rows, 1), outerStride: 0, rowStride: rowStride, columnStride: columnStride)
    }
    init(_ data: UnsafePointer<T>, rows: Int, inner: Int, outerStride: Int, rowStride: Int, columnStride: Int) {
        self.data = data
        self.rows = rows
        self.inner = inner
        self.outerStride = outerStride
        self.rowStride = rowStride
        self.columnStride = columnStride
    }
    /// The last dimension of `x` as columns, all others as rows; nil where the rows need more than two strides.
    init?(lastDimension x: ArrayView<T>) {
        let n = x.count
        let leading = ArrayView(data: x.data, shape: x.shape.slice(0, n - 1), strides: x.strides.slice(0, n - 1)).collapsed()
        let rows = leading.size
        let columnStride = x.strides[n - 1]
        switch leading.count {
        case 0: self.init(x.data, rows: rows, rowStride: 0, columnStride: columnStride)
        case 1: self.init(x.data, rows: rows, rowStride: leading.strides[0], columnStride: columnStride)
        case 2:
            self.init(
                x.data, rows: rows, inner: leading.shape[1], outerStride: leading.strides[0], rowStride: leading.strides[1],
                columnStride: columnStride)
        default: return nil
        }
    }
    /// The matrix of its columns; its rows have to stand in one group.
    func transposed(_ columns: Int) -> RowMatrix { RowMatrix(data, rows: columns, rowStride: columnStride, columnStride: rowStride) }
    @inline(__always) func row(_ i: Int) -> UnsafePointer<T> {
        data + ((i / inner) &* outerStride &+ (i % inner) &* rowStride)
    }
}

/// What happens to a finished element of C.
struct Epilogue<T> {
    var rowBias: UnsafePointer<T>?
    var columnBias: UnsafePointer<T>?
    var residual: UnsafePointer<T>?
    var residualStride = 0
    private(set) var activation = Int(SNN_NONE)
    private(set) var alpha = 0.0
    private(set) var beta = 0.0

    var isNothing: Bool { rowBias == nil && columnBias == nil && residual == nil && activation < 0 }

    /// A kind of swiftnn.h with its usual parameters, those of PyTorch's functions.
    mutating func activate(_ kind: Int64, _ operation: StaticString) throws(Failure) {
        guard kind >= Int64(SNN_NONE) && kind < Int64(SNN_ACTIVATION_COUNT) else {
            throw Message(operation).text(": activation is ").number(Int(kind)).text("; expected one of swiftnn.h").valueError
        }
        activation = Int(kind)
        switch activation {
        case Int(SNN_LEAKY_RELU): alpha = 0.01
        case Int(SNN_ELU): alpha = 1
        case Int(SNN_SOFTPLUS): (alpha, beta) = (1, 20)
        case Int(SNN_HARDTANH): (alpha, beta) = (-1, 1)
        case Int(SNN_CELU): alpha = 1
        case Int(SNN_HARDSHRINK), Int(SNN_SOFTSHRINK): alpha = 0.5
        default: break
        }
    }
}

/// A whole matrix in panels of `width` rows: element (i, k) at data[(i / width) * panel + k * width + i % width].
struct PackedMatrix<T: Element> {
    let data: UnsafeMutablePointer<T>
    let width: Int
    let panel: Int

    static func size(rows: Int, depth: Int, width: Int) -> Int { roundUp(rows, width) * depth }

    init(_ data: UnsafeMutablePointer<T>, depth: Int, width: Int) {
        self.data = data
        self.width = width
        panel = width * depth
    }

    /// Packs the whole of `source` (depth columns), some panels a task; where its columns lie in one piece, some of those.
    func pack(_ source: RowMatrix<T>, depth: Int, threads: Int) {
        let byColumns = source.rowStride == 1 && source.inner >= source.rows
        let columns = byColumns ? max(16, 65_536 / max(1, source.rows)) : depth
        let rows = byColumns ? source.rows : max(1, 65_536 / max(1, panel)) * width
        let tasks = byColumns ? ceilDivide(depth, columns) : ceilDivide(source.rows, rows)
        ThreadPool.run(tasks, threads: threads) { task, _ in
            let first = byColumns ? 0 : task * rows, k0 = byColumns ? task * columns : 0
            packPanels(
                source, first, min(rows, source.rows - first), k0, min(columns, depth - k0), width,
                data + (first / width * panel + k0 * width), panel)
        }
    }
}

/// Packs rows first ..< first + count, columns k0 ..< k0 + k, into panels of `width`.
func packPanels<T: Element>(
    _ source: RowMatrix<T>, _ first: Int, _ count: Int, _ k0: Int, _ k: Int, _ width: Int, _ out: UnsafeMutablePointer<T>, _ panel: Int
) {
    if count <= 0 { return }
    let last = first + count - 1
    if first / source.inner == last / source.inner {
        var p = snn_pack(
            src: source.row(first) + k0 * source.columnStride, rs: Int64(source.rowStride), ks: Int64(source.columnStride),
            rows: Int64(count), k: Int64(k), width: Int64(width), dst: out, panel: Int64(panel))
        T.kernels.pointee.pack(&p)
        return
    }
    // Panels across groups of rows: what each has of a group.
    if count % width > 0 { memset(out + count / width * panel, 0, width * k * MemoryLayout<T>.stride) }
    var i = 0
    while i < count {
        let some = min(width - i % width, source.inner - (first + i) % source.inner, count - i)
        let from = source.row(first + i) + k0 * source.columnStride, to = out + (i / width * panel + i % width)
        if source.columnStride == 1 {
            T.kernels.pointee.transpose(from, Int64(source.rowStride), to, Int64(width), Int64(some), Int64(k))
        } else {
            for c in 0..<k {
                for x in 0..<some { to[c &* width &+ x] = from[c &* source.columnStride &+ x &* source.rowStride] }
            }
        }
        i += some
    }
}

/// Where the vectors of a B that is read in place begin, and each of its rows from there.
struct BlockPixels {
    let starts: UnsafePointer<Int64>
    let offsets: UnsafePointer<Int64>
}

/// Some rows of A as tiles read them: where they lie, number k of row i at data[i * rs + k], or in panels of mr rows, at
/// data[(i / mr) * packed + (i % mr) * rs + k * ks].
struct OperandRows<T: Element> {
    let data: UnsafePointer<T>
    let inPlace: Bool
    let rs, ks: Int
    private let packed: Int

    /// Whether rows are read where they lie: their numbers stand side by side. Tiles have an even number of rows, so a single last one would
    /// be read with what lies behind it. Rows whose distance is a large power of two share few sets of the second-level cache, which then
    /// does not keep them from one panel of B to the next.
    static func areInPlace(_ source: RowMatrix<T>, _ first: Int, _ count: Int) -> Bool {
        source.columnStride == 1 && count % 2 == 0 && source.rowStride * MemoryLayout<T>.stride % 16_384 != 0
            && first / source.inner == (first + count - 1) / source.inner
    }
    /// Rows of the tiles that take m of them: in place as even as can be, for each tile asks the memory for its part of what comes next.
    static func height(_ m: Int, inPlace: Bool) -> Int {
        let mr = Int(T.kernels.pointee.mr)
        return inPlace ? roundUp(ceilDivide(m, ceilDivide(m, mr)), 2) : mr
    }

    /// Rows first ..< first + count, columns k0 ..< k0 + k, packed into `copy` if they are not to be read in place.
    init(_ source: RowMatrix<T>, _ first: Int, _ count: Int, _ k0: Int, _ k: Int, inPlace: Bool, copy: UnsafeMutablePointer<T>) {
        let mr = Int(T.kernels.pointee.mr)
        self.inPlace = inPlace
        if inPlace {
            data = source.row(first) + k0
            (packed, rs, ks) = (0, source.rowStride, 1)
        } else {
            packPanels(source, first, count, k0, k, mr, copy, mr * k)
            data = UnsafePointer(copy)
            (packed, rs, ks) = (mr * k, 1, mr)
        }
    }
    /// From row i, the first of a tile, and column k on.
    func from(_ i: Int, _ k: Int) -> UnsafePointer<T> {
        data + (inPlace ? i * rs + k : i / Int(T.kernels.pointee.mr) * packed + k * ks)
    }
    /// From one tile of so many rows to the next.
    func panel(_ height: Int) -> Int { inPlace ? height * rs : packed }
}

/// One call of the level's block kernel. height: rows of a tile and of a panel of A. aRow, aStep: from row to row and from k to k of A, 1 and
/// mr where it is packed. bStride: between the rows of B, nr where it is packed.
@inline(__always)
func gemmBlock<T: Element>(
    m: Int, n: Int, k: Int, height: Int? = nil, a: UnsafePointer<T>, aPanel: Int, aRow: Int = 1, aStep: Int? = nil, aLast: Int = .max,
    b: UnsafePointer<T>, bPanel: Int, bStride: Int? = nil, bPixels: BlockPixels? = nil,
    c: UnsafeMutablePointer<T>, ldc: Int, row: Int, column: Int, first: Bool, last: Bool, chained: Bool = false, far: Bool = false,
    epilogue e: Epilogue<T>, stream: Bool = false, ahead: UnsafePointer<T>? = nil, tile: UnsafeMutablePointer<T>
) {
    var g = snn_gemm_block(
        m: Int64(m), n: Int64(n), k: Int64(k), height: height.map { Int64($0) } ?? T.kernels.pointee.mr, a: a, a_panel: Int64(aPanel),
        a_rs: Int64(aRow), a_ks: aStep.map { Int64($0) } ?? T.kernels.pointee.mr, a_last: Int64(aLast), b: b, b_panel: Int64(bPanel),
        b_stride: bStride.map { Int64($0) } ?? T.kernels.pointee.nr, b_starts: bPixels?.starts,
        b_offsets: bPixels?.offsets, c: c, ldc: Int64(ldc),
        row_bias: e.rowBias.map { UnsafeRawPointer($0 + row) }, col_bias: e.columnBias.map { UnsafeRawPointer($0 + column) },
        residual: e.residual.map { UnsafeRawPointer($0 + (row * e.residualStride + column)) }, ldr: Int64(e.residualStride),
        activation: Int64(e.activation), alpha: e.alpha, beta: e.beta, first: first ? 1 : 0, last: last ? 1 : 0,
        chained: chained ? 1 : 0, far: far ? 1 : 0, stream: stream ? 1 : 0, ahead: ahead, tile: tile)
    T.kernels.pointee.gemm_block(&g)
}

/// The columns that a block of m rows takes at once: `least`, or three panels where the level has tiles for them. Few rows come no faster
/// than panels do, but for pixels in place, which are near.
func columnsAtOnce<T: Element>(_ m: Int, least: Int, inPlace: Bool = false, _: T.Type) -> Int {
    m >= (inPlace ? 16 : 24) ? max(least, Int(T.kernels.pointee.wide_columns)) : least
}

/// Whether a product has so few multiply-adds that packing its operands would cost more than they do.
func isSmall(m: Int, n: Int, k: Int) -> Bool { k <= Blocking.kc && m &* n &* k <= 1024 }

/// C = epilogue(A B^T) of a small product, from operands of any strides whose rows stand in one group.
func smallProduct<T: Element>(
    _ a: RowMatrix<T>, _ b: RowMatrix<T>, k: Int, c: UnsafeMutablePointer<T>, ldc: Int, epilogue e: Epilogue<T>
) {
    var p = snn_small_product(
        m: Int64(a.rows), n: Int64(b.rows), k: Int64(k), a: a.data, a_rs: Int64(a.rowStride), a_ks: Int64(a.columnStride), b: b.data,
        b_rs: Int64(b.rowStride), b_ks: Int64(b.columnStride), col_bias: e.columnBias, c: c, ldc: Int64(ldc))
    T.kernels.pointee.small_product(&p)
    if e.activation < 0 && e.residual == nil { return }
    for i in 0..<a.rows {
        let row = c + i * ldc
        if e.activation >= 0 { T.kernels.pointee.unary(Int64(e.activation), e.alpha, e.beta, row, row, Int64(b.rows)) }
        if let residual = e.residual { T.kernels.pointee.add(residual + i * e.residualStride, row, row, Int64(b.rows)) }
    }
}

/// C (rows of A, n), rows ldc apart: C = epilogue(A B^T) with B given by its n rows of depth k (a Linear's weight), or by its panels
/// of width nr where they are at hand.
func gemm<T: Element>(
    _ a: RowMatrix<T>, _ b: RowMatrix<T>, panels: PackedMatrix<T>? = nil, k: Int, c: UnsafeMutablePointer<T>, ldc: Int,
    epilogue: Epilogue<T>
) throws(Failure) {
    let m = a.rows, n = b.rows
    if m == 0 || n == 0 { return }
    if isSmall(m: m, n: n, k: k) && a.inner >= m && b.inner >= n && epilogue.rowBias == nil {
        return smallProduct(a, b, k: k, c: c, ldc: ldc, epilogue: epilogue)
    }
    let mr = Int(T.kernels.pointee.mr), nr = Int(T.kernels.pointee.nr)
    if panels == nil && n <= 2 * mr && m >= nr && n < m && a.rowStride == 1 && a.inner >= m && b.inner >= n && epilogue.isNothing {
        // Few columns do not fill a tile's vectors, but its rows: C^T = B A^T.
        let transposed = try Scratch<T>(n * m)
        defer { transposed.release() }
        try gemm(b, a, k: k, c: transposed.base, ldc: m, epilogue: epilogue)
        for i in 0..<m { T.kernels.pointee.copy(transposed.base + i, Int64(m), c + i * ldc, Int64(n)) }
        return
    }
    // Of few rows most of the time goes by until B has come from memory.
    let threads = ThreadPool.threads(forWork: m &* n &* max(k, 1) / 8 &+ n &* k * 3 / 4)
    let depths = Depths(k)

    // few rows, and columns enough for all threads
    let wide = m <= 2 * mr && n >= threads * 4 * nr
    if panels == nil && !wide && threads > 1 && depths.count >= threads && m &* n <= Blocking.smallResult && epilogue.residual == nil
        && epilogue.activation < 0
    {
        return try gemmOverDepth(a, b, depths, c: c, ldc: ldc, epilogue: epilogue, threads: threads)
    }
    if panels == nil && m <= 2 * mr && n >= nr && b.rowStride == 1 && b.inner >= n && epilogue.residual == nil && epilogue.activation < 0 {
        return try gemmInPlace(a, b, depths, c: c, ldc: ldc, epilogue: epilogue, threads: threads)
    }
    // So few panels that threads do better to share rows.
    let narrow = panels != nil && n <= 2 * nr && m >= 24 && OperandRows.areInPlace(a, 0, m)
    if m <= Blocking.mc && !narrow {
        // A stays: each task packs its own columns' panels of B and uses them at once.
        let inPlace = OperandRows.areInPlace(a, 0, m)
        let packed = inPlace ? 0 : PackedMatrix<T>.size(rows: m, depth: k, width: mr)
        // Panels at hand are read in the order in which they lie in memory, others are packed and used while they are in the nearest cache:
        // one by one, or as many as the last rows or a single row take at once.
        let height = OperandRows<T>.height(m, inPlace: inPlace)
        let step = m == 1 ? 4 * nr : columnsAtOnce(m, least: m % height == 4 % height ? 2 * nr : nr, T.self)
        let whole = step == 3 * nr ? step : 4 * nr
        let nc = min(roundUp(Blocking.nc, whole), max(whole, roundUp(ceilDivide(n, threads * 2), whole)))
        let perWorker = (panels == nil ? min(k, Blocking.kc) * step : 0) + mr * nr
        // Meanwhile the memory brings what will be packed next: rows of B that lie one behind the other.
        let follow = panels == nil && b.columnStride == 1 && b.rowStride == k && b.inner >= n
        let scratch = try Scratch<T>(packed + perWorker * threads)
        defer { scratch.release() }
        let rows = OperandRows(a, 0, m, 0, k, inPlace: inPlace, copy: scratch.base)
        ThreadPool.run(ceilDivide(n, nc), threads: threads) { task, worker in
            let end = min(n, (task + 1) * nc)
            let block = scratch.base + packed + worker * perWorker
            var j = task * nc
            while j < end {
                let columns = min(step, end - j)
                for d in 0..<depths.count {
                    let (k0, kb) = depths[d]
                    if panels == nil { packPanels(b, j, columns, k0, kb, nr, block, kb * nr) }
                    gemmBlock(
                        m: m, n: columns, k: kb, height: height, a: rows.from(0, k0), aPanel: rows.panel(height), aRow: rows.rs,
                        aStep: rows.ks,
                        b: panels.map { $0.data + (j / nr * $0.panel + k0 * nr) } ?? block, bPanel: panels?.panel ?? kb * nr, c: c + j,
                        ldc: ldc, row: 0, column: j, first: d == 0, last: d == depths.count - 1, epilogue: epilogue,
                        ahead: follow ? b.data + ((j + step) * k + step * k0) : nil, tile: block + perWorker - mr * nr)
                }
                j += step
            }
        }
        return
    }

    // B stays: it is packed once, each task packs its rows of A.
    let packed = panels == nil ? PackedMatrix<T>.size(rows: n, depth: k, width: nr) : 0
    let mc = rowsPerTask(m, mr: mr, threads: threads)
    let perWorker = Blocking.rowDepth(k) * mc + mr * nr
    let scratch = try Scratch<T>(packed + perWorker * threads)
    defer { scratch.release() }
    let columns = panels ?? PackedMatrix(scratch.base, depth: k, width: nr)
    if panels == nil { columns.pack(b, depth: k, threads: threads) }
    ThreadPool.run(ceilDivide(m, mc), threads: threads) { task, worker in
        let block = scratch.base + packed + worker * perWorker
        let i = task * mc
        gemmRows(
            a, i, min(mc, m - i), columns, n: n, k: k, c: c, ldc: ldc, epilogue: epilogue, block: block,
            tile: block + perWorker - mr * nr)
    }
}

/// Rows of a task, whole tiles of them: at most Blocking.mc, and about half of it at least, for the panels of B come from afar once a task;
/// of these the number for which the busiest thread has the fewest rows.
private func rowsPerTask(_ m: Int, mr: Int, threads: Int) -> Int {
    // One thread's tasks are about as large as each other: of few rows B's panels would come from afar for little.
    if threads == 1 { return roundUp(ceilDivide(m, ceilDivide(m, Blocking.mc)), mr) }
    var best = Blocking.mc, least = Int.max
    for rows in stride(from: best / 2, through: best, by: mr) {
        let whole = m / rows, rest = m % rows
        // the busiest has one task more than others if they do not come out even; the last one, of fewer rows, if that is the one
        let most = whole / threads * rows + (whole % threads > 0 ? rows : rest)
        if most <= least { (best, least) = (rows, most) }
    }
    return best
}

/// So few rows that one or two tiles use each number of B, whose columns lie side by side: a copy of it would not pay. Some of its rows at a
/// time are read from their beginning to their end, as the memory likes it, while the chains wait in C or, from the second block of k on,
/// beside it.
private func gemmInPlace<T: Element>(
    _ a: RowMatrix<T>, _ b: RowMatrix<T>, _ depths: Depths, c: UnsafeMutablePointer<T>, ldc: Int, epilogue: Epilogue<T>, threads: Int
) throws(Failure) {
    let m = a.rows, n = b.rows, k = depths.whole
    let mr = Int(T.kernels.pointee.mr), nr = Int(T.kernels.pointee.nr)
    let packed = PackedMatrix<T>.size(rows: m, depth: k, width: mr)
    let nc = min(1024, roundUp(ceilDivide(n, threads), 4 * nr))
    let perWorker = m * nc + (Blocking.kc + mr) * nr
    let scratch = try Scratch<T>(packed + perWorker * threads)
    defer { scratch.release() }
    let rows = PackedMatrix(scratch.base, depth: k, width: mr)
    rows.pack(a, depth: k, threads: 1)
    ThreadPool.run(ceilDivide(n, nc), threads: threads) { task, worker in
        let first = task * nc, columns = min(nc, n - first)
        let whole = columns / nr * nr
        let chains = scratch.base + packed + worker * perWorker
        let panel = chains + m * nc
        let tile = panel + Blocking.kc * nr
        for d in 0..<depths.count {
            if Interrupt.stops() { return }
            let (k0, kb) = depths[d]
            let to = d == 0 ? c + first : chains, ld = d == 0 ? ldc : nc
            for x in stride(from: 0, to: kb, by: 32) {
                gemmBlock(
                    m: m, n: whole, k: min(32, kb - x), a: rows.data + (k0 + x) * mr, aPanel: rows.panel,
                    b: b.data + ((k0 + x) * b.columnStride + first), bPanel: nr, bStride: b.columnStride, c: to, ldc: ld, row: 0,
                    column: first, first: x == 0, last: false, chained: x > 0, epilogue: d == 0 ? epilogue : Epilogue(), tile: tile)
            }
            if whole < columns {
                // What does not fill a panel cannot be read as one.
                packPanels(b, first + whole, columns - whole, k0, kb, nr, panel, kb * nr)
                gemmBlock(
                    m: m, n: columns - whole, k: kb, a: rows.data + k0 * mr, aPanel: rows.panel, b: panel, bPanel: kb * nr, c: to + whole,
                    ldc: ld, row: 0, column: first + whole, first: true, last: false, epilogue: d == 0 ? epilogue : Epilogue(), tile: tile)
            }
            if d == 0 { continue }
            for i in 0..<m { T.kernels.pointee.add(c + (i * ldc + first), chains + i * nc, c + (i * ldc + first), Int64(columns)) }
        }
    }
}

/// A small C of long sums, as the gradients of small weights are: threads take blocks of k, whose chains are then added up in the order in
/// which gemm adds them to C.
private func gemmOverDepth<T: Element>(
    _ a: RowMatrix<T>, _ b: RowMatrix<T>, _ depths: Depths, c: UnsafeMutablePointer<T>, ldc: Int, epilogue: Epilogue<T>, threads: Int
) throws(Failure) {
    let m = a.rows, n = b.rows
    let mr = Int(T.kernels.pointee.mr), nr = Int(T.kernels.pointee.nr)
    let packedRows = roundUp(m, mr) * Blocking.kc, packedColumns = roundUp(n, nr) * Blocking.kc
    let perWorker = packedRows + packedColumns + mr * nr
    let workers = roundUp(depths.count * m * n, nr)
    let scratch = try Scratch<T>(workers + perWorker * threads)
    defer { scratch.release() }
    ThreadPool.run(depths.count, threads: threads) { d, worker in
        let (k0, kb) = depths[d]
        let rows = scratch.base + workers + worker * perWorker
        let columns = rows + packedRows
        packPanels(a, 0, m, k0, kb, mr, rows, kb * mr)
        packPanels(b, 0, n, k0, kb, nr, columns, kb * nr)
        let step = columnsAtOnce(m, least: 2 * nr, T.self)
        for j in stride(from: 0, to: n, by: step) {
            gemmBlock(
                m: m, n: min(step, n - j), k: kb, a: rows, aPanel: kb * mr, b: columns + j * kb, bPanel: kb * nr,
                c: scratch.base + (d * m * n + j), ldc: n, row: 0, column: j, first: true, last: true,
                epilogue: d == 0 ? epilogue : Epilogue(), tile: columns + packedColumns)
        }
    }
    let rowsPerTask = max(1, 4096 / n)
    ThreadPool.run(ceilDivide(m, rowsPerTask), threads: threads) { task, _ in
        for i in (task * rowsPerTask)..<min(m, (task + 1) * rowsPerTask) {
            T.kernels.pointee.copy(scratch.base + i * n, 1, c + i * ldc, Int64(n))
            for d in 1..<depths.count {
                T.kernels.pointee.add(c + i * ldc, scratch.base + (d * m + i) * n, c + i * ldc, Int64(n))
            }
        }
    }
}

/// The rows that tiles write for `count` rows where C has room for a whole tile more: no partial tile is left.
func tileRows<T: Element>(_ count: Int, columns n: Int, _: T.Type) -> Int {
    if count == 1 && n >= 4 * Int(T.kernels.pointee.nr) { return 1 }
    return roundUp(count, 2)
}

/// Rows i ..< i + count of C with a packed B, on the calling thread. block: room for rowDepth(k) * count rounded up to mr numbers.
/// padded: C has room for tileRows(count) rows, those behind the last are overwritten with zeros or the bias.
func gemmRows<T: Element>(
    _ a: RowMatrix<T>, _ i: Int, _ count: Int, _ b: PackedMatrix<T>, n: Int, k: Int, c: UnsafeMutablePointer<T>, ldc: Int,
    epilogue: Epilogue<T>, block: UnsafeMutablePointer<T>, tile: UnsafeMutablePointer<T>, padded: Bool = false
) {
    let mr = Int(T.kernels.pointee.mr), nr = b.width
    let depths = Depths(k)
    let m = padded ? tileRows(count, columns: n, T.self) : count
    // Two or three panels of C and of B at a time; a single row takes four of B at once. Where the depth is small C is written as fast as the memory
    // takes it, and few rows of it at a time, each from its beginning to its end.
    let shallow = k <= 64 && m * n * MemoryLayout<T>.stride > Blocking.cacheBytes / 16
    let step = m == 1 || shallow ? n : columnsAtOnce(m, least: 2 * nr, T.self)
    let strip = shallow ? (T.kernels.pointee.wide_columns > 0 ? 24 : mr) : m
    var from = 0
    repeat {
        let to = min(depths.count, from + 4)
        let start = depths[from].start
        let depth = depths[to - 1].start + depths[to - 1].depth - start
        let rows = OperandRows(a, i, count, start, depth, inPlace: OperandRows.areInPlace(a, i, count), copy: block)
        for row in stride(from: 0, to: m, by: strip) {
            let here = min(strip, m - row), height = OperandRows<T>.height(here, inPlace: rows.inPlace)
            var j = 0
            while j < n {
                if Interrupt.stops() { return }
                for d in from..<to {
                    let (k0, kb) = depths[d]
                    gemmBlock(
                        m: here, n: min(step, n - j), k: kb, height: height, a: rows.from(row, k0 - start), aPanel: rows.panel(height),
                        aRow: rows.rs, aStep: rows.ks, b: b.data + (j / nr * b.panel + k0 * nr), bPanel: b.panel,
                        c: c + ((i + row) * ldc + j), ldc: ldc, row: i + row, column: j, first: d == 0, last: d == depths.count - 1,
                        far: shallow,
                        epilogue: epilogue, tile: tile)
                }
                j += step
            }
        }
        from = to
    } while from < depths.count
}
