// Convolution whose windows are read where they lie: for every k = (channel, r, s) the pixels of a row of outputs stand side by side in
// the padded image, at an offset from the first window's that is the same for all of them. So the GEMM takes B from the image itself and
// nothing is gathered (im2col): the panels of k numbers for every pixel would be written and read once more.
import CSwiftNN

/// How the outputs of an image are cut into vectors.
struct PixelVectors {
    /// Rows of outputs that are whole vectors, and a single row, follow each other in the result as they do here. Others are computed with
    /// the columns between them, which are those of no output and are left out when the result is copied to its place.
    let wholeRows: Bool
    /// Columns from one row of outputs to the next.
    let pitch: Int
    let columns: Int

    /// nil where gathering costs less. A number that is gathered, or copied to its place in the result, costs about as much as ten
    /// multiply-adds; small images are gathered side by side. Of many rows and more than one chain the first share is small, and the panels,
    /// read in memory's order, are ahead, unless an image is large, or one long row, of which a task pads what it sees.
    /// asRow: 1x1 filters so few that nothing of this is worth a copy.
    init?(_ shape: ConvolutionShape, m: Int, k: Int, chainLength: Int, nr: Int, asRow: Bool) {
        let pixels = shape.p * shape.q
        let most = shape.p == 1 ? (pixels < 384 ? 64 : 256) : pixels < 2048 ? 64 : 128
        guard shape.r * shape.s > 1 || asRow, k <= chainLength || m <= most, pixels > 12 || m < 8 || asRow else { return nil }
        wholeRows = shape.q % (nr / 2) == 0 || shape.p == 1
        pitch = wholeRows ? shape.q : PhasePlanes(shape, outputs: shape.p).width
        columns = (shape.p - 1) * pitch + shape.q
        let copied = wholeRows && k <= chainLength ? 0 : m
        let computed = roundUp(columns, nr), gathered = shape.n > 1 ? pixels : roundUp(pixels, nr)
        guard computed &* (m &* k &+ 10 &* copied) <= gathered &* (m &* k &+ 10 &* k) else { return nil }
    }
}

/// Where the pixels of a padded image stand: rows and columns of each residue modulo the strides in a plane of their own, so that a step
/// of one in the result is a step of one here. What no window sees has no place.
struct PhasePlanes {
    let shape: ConvolutionShape
    /// From one row of outputs to the next.
    let width: Int
    /// Rows of a plane beyond those of outputs.
    let halo: Int
    private let rows: Int
    private let residues: Spatial
    private var plane: Int { rows * width }
    var channel: Int { residues.h * residues.w * plane }

    /// With room for the windows of so many rows of outputs, and columns of them.
    init(_ shape: ConvolutionShape, outputs: Int, columns: Int? = nil) {
        self.shape = shape
        halo = (shape.r - 1) * shape.dilation.h / shape.stride.h
        rows = outputs + halo
        width = (columns ?? shape.q) + (shape.s - 1) * shape.dilation.w / shape.stride.w
        residues = shape.residues
    }

    @inline(__always) func offset(row: Int, column: Int) -> Int {
        (row % shape.stride.h * residues.w + column % shape.stride.w) * plane + row / shape.stride.h * width + column / shape.stride.w
    }

    /// What the windows of rows p ..< p + count of outputs see of some channels, from column q of outputs on, with borders of zeros.
    func pad<T: Element>(
        _ x: UnsafePointer<T>, cs: Int, _ hs: Int, _ ws: Int, channels: Int, _ p: Int, _ count: Int, q: Int, _ out: UnsafeMutablePointer<T>
    ) {
        let step = shape.stride.h, rows = count + halo
        let begin = q * shape.stride.w - shape.left, skipped = min(max(begin, 0), shape.w)
        let x = x + skipped * ws
        for r in 0..<residues.h {
            // This residue's rows above the image, and those inside.
            let first = r + p * step - shape.top
            let above = min(ceilDivide(max(-first, 0), step), rows)
            let inside = min(max(ceilDivide(shape.h - first, step) - above, 0), rows - above)
            var call = snn_pad(
                src: x + (first + above * step) * hs, cs: Int64(cs), hs: Int64(step * hs), ws: Int64(ws), planes: Int64(channels),
                h: Int64(inside), w: Int64(shape.w - skipped), top: Int64(above), bottom: Int64(rows - above - inside),
                left: Int64(max(-begin, 0)),
                phases: Int64(shape.stride.w), residues: Int64(residues.w), phase: Int64(width), dst: out + r * residues.w * plane,
                plane: Int64(channel), row: Int64(width), step: Int64(plane))
            T.kernels.pointee.pad(&call)
        }
    }
}

/// What a task of the convolution in place does at once.
private struct InPlaceTask {
    /// Columns of outputs, and what they may touch: rows, or that much of a single one.
    let columns: Int
    let planes: PhasePlanes
    let isOneRow: Bool
    /// Rows of the filters, whole chains of them, whose channels are padded at a time.
    let depth: Int
    /// Numbers that the padded channels take.
    let room: Int

    /// Numbers that stay in a near cache beside all else.
    private static var near: Int { 1 << 13 }

    /// step: what columns are a multiple of.
    init(
        _ shape: ConvolutionShape, _ vectors: PixelVectors, m: Int, k: Int, chainLength: Int, step: Int, copied: Bool, threads: Int
    ) {
        let pitch = vectors.pitch, channels = shape.c / shape.groups, taps = shape.r * shape.s
        let halo = PhasePlanes(shape, outputs: 1).halo
        let all = vectors.columns &* shape.n &* shape.groups
        // Rows that two tasks see are padded twice. Columns so many that this costs a few percents of the products, a padded number as much
        // as ten multiply-adds; fewer where the results that wait, or the padded channels, were not near. Two tasks a thread at least.
        var most = roundUp(Blocking.nc, step), least = 0
        if copied {
            let products = m &* taps / (shape.stride.h &* shape.stride.w)
            least = (halo + 1) &* pitch &* (threads == 1 ? 1000 : 200) / (10 &+ products)
            let perRow = channels &* (PhasePlanes(shape, outputs: 1).channel / (1 + halo))
            most = max(most, min(least, k > chainLength ? InPlaceTask.near / m : (InPlaceTask.near / max(1, perRow) - halo) &* pitch))
        }
        let wanted = threads == 1 ? all : max(ceilDivide(all, threads * 4), min(least, ceilDivide(all, threads)))
        columns = min(most / step * step, roundUp(min(wanted, vectors.columns), step))
        isOneRow = shape.p == 1
        planes = PhasePlanes(
            shape, outputs: min(shape.p, (columns + pitch - 2) / pitch + 1), columns: isOneRow ? min(columns, shape.q) : nil)
        let chains = max(1, InPlaceTask.near / planes.channel * taps / chainLength)
        depth = copied ? min(k, chains * chainLength) : k
        room = copied ? min(channels, depth / taps + 2) * planes.channel + 2 * step : 0
    }
}

/// filters: packed panels of each group, `packedSize` numbers. Threads: images, groups and blocks of columns.
func convolveInPlace<T: Element>(
    _ x: ArrayView<T>, filters: UnsafePointer<T>, packedSize: Int, _ shape: ConvolutionShape, _ vectors: PixelVectors,
    _ whole: Epilogue<T>, _ y: UnsafeMutablePointer<T>, chainLength: Int, threads: Int
) throws(Failure) {
    let mr = Int(T.kernels.pointee.mr), nr = Int(T.kernels.pointee.nr), lanes = nr / 2
    let groups = shape.groups
    let channels = shape.c / groups, m = shape.o / groups
    let k = channels * shape.r * shape.s
    let pixels = shape.p * shape.q
    // Whole vectors of outputs read nothing but their windows; others read past the last one.
    let copied =
        shape.isPadded || shape.q % lanes != 0 || max(shape.stride.h, shape.stride.w) > 1 || (x.strides[3] != 1 && shape.w > 1)
    // One chain of whole vectors goes to the result at once, any other piece of it by way of a block that stays in a near cache.
    let direct = vectors.wholeRows && k <= chainLength
    let size = MemoryLayout<T>.stride
    let stream =
        direct && whole.activation < 0 && pixels * size % 64 == 0 && UInt(bitPattern: y) % 64 == 0
        && shape.n * shape.o * pixels * size >= Blocking.streamBytes

    // Columns of a task: a multiple of the four vectors, of a single row the eight, that the kernel takes at once.
    let step = m == 1 ? 4 * nr : columnsAtOnce(m, least: 2 * nr, inPlace: true, T.self)
    let at = InPlaceTask(shape, vectors, m: m, k: k, chainLength: chainLength, step: step, copied: copied, threads: threads)
    let planes = at.planes, taps = shape.r * shape.s
    let nc = at.columns
    let perImage = ceilDivide(vectors.columns, nc)
    // Results that wait for more channels are kept for all columns.
    let ldb = at.depth < k ? nc : step
    let perWorker = at.room + (direct ? 0 : m * ldb) + mr * nr
    let scratch = try Scratch<T>(perWorker * threads)
    defer { scratch.release() }
    let tables = try Scratch<Int64>(perImage * nc / lanes + k)
    defer { tables.release() }

    // Where the windows of each vector begin, and each k in a window.
    let starts = tables.base, offsets = starts + perImage * nc / lanes
    let hs = copied ? planes.width : x.strides[2]
    for v in 0..<(perImage * nc / lanes) {
        let column = min(v * lanes, vectors.columns - 1)
        starts[v] = Int64(vectors.wholeRows ? column / shape.q * hs + column % shape.q / lanes * lanes : column)
    }
    let cs = copied ? planes.channel : x.strides[1]
    var row = 0
    for c in 0..<channels {
        for r in 0..<shape.r {
            for s in 0..<shape.s {
                let h = r * shape.dilation.h, w = s * shape.dilation.w
                offsets[row] = Int64(c * cs + (copied ? planes.offset(row: h, column: w) : h * hs + w))
                row += 1
            }
        }
    }
    ThreadPool.run(shape.n * groups * perImage, threads: threads) { task, worker in
        let padded = scratch.base + worker * perWorker
        let block = padded + at.room, tile = padded + (perWorker - mr * nr)
        let first = task % perImage * nc
        let columns = min(nc, vectors.columns - first)
        let g = task / perImage % groups, n = task / perImage / groups
        let source = x.data + (n * x.strides[0] + g * channels * x.strides[1])
        let result = y + (n * shape.o + g * m) * pixels
        var epilogue = whole
        epilogue.rowBias = whole.rowBias.map { $0 + g * m }
        let a = filters + g * packedSize
        let p0 = first / vectors.pitch, rows = (first + columns - 1) / vectors.pitch - p0 + 1
        var from = 0
        repeat {
            let end = min(k, from + at.depth)
            var b = source
            if copied {
                let c = from / taps
                planes.pad(
                    source + c * x.strides[1], cs: x.strides[1], x.strides[2], x.strides[3],
                    channels: ceilDivide(end, taps) - c, p0, rows, q: at.isOneRow ? first : 0, padded)
                b = UnsafePointer(padded - (c * planes.channel + (at.isOneRow ? first : p0 * planes.width)))
            }
            if direct {
                gemmBlock(
                    m: m, n: columns, k: k, a: a, aPanel: mr * k, b: b, bPanel: 0,
                    bPixels: BlockPixels(starts: starts + first / lanes, offsets: offsets),
                    c: result + first, ldc: pixels, row: 0, column: 0, first: true, last: true, epilogue: epilogue, stream: stream,
                    tile: tile)
                return
            }
            for part in stride(from: 0, to: columns, by: step) {
                let width = min(step, columns - part)
                let c = ldb == step ? block : block + part
                var k0 = from
                repeat {
                    let depth = min(chainLength, end - k0)
                    gemmBlock(
                        m: m, n: width, k: depth, a: a + k0 * mr, aPanel: mr * k, b: b, bPanel: 0,
                        bPixels: BlockPixels(starts: starts + (first + part) / lanes, offsets: offsets + k0), c: c, ldc: ldb, row: 0,
                        column: 0, first: k0 == 0, last: k0 + depth == k, epilogue: epilogue, tile: tile)
                    k0 += depth
                } while k0 < end
                if end < k { continue }
                var done = 0
                while done < width {
                    let p = (first + part + done) / vectors.pitch, q = (first + part + done) % vectors.pitch
                    // Without columns of no output the rows are one.
                    let run = min(width - done, vectors.wholeRows ? width : vectors.pitch - q)
                    let outputs = vectors.wholeRows ? run : min(run, shape.q - q)
                    if outputs > 0 {
                        T.kernels.pointee.copy_rows(
                            c + done, Int64(ldb), result + (p * shape.q + q), Int64(pixels), Int64(m), Int64(outputs))
                    }
                    done += run
                }
            }
            from = end
        } while from < k
    }
}
