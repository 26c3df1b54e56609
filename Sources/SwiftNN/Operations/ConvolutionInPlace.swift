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
    /// multiply-adds; small images are gathered side by side. Of many rows and more than one chain the first share is small, and the panels, read in memory's order, are ahead.
    init?(_ shape: ConvolutionShape, m: Int, k: Int, chainLength: Int, nr: Int) {
        guard shape.r * shape.s > 1, k <= chainLength || m <= 64 else { return nil }
        wholeRows = shape.q % (nr / 2) == 0 || shape.p == 1
        pitch = wholeRows ? shape.q : PhasePlanes(shape).width
        columns = (shape.p - 1) * pitch + shape.q
        let copied = wholeRows && k <= chainLength ? 0 : m
        let computed = roundUp(columns, nr), gathered = shape.n > 1 ? shape.p * shape.q : roundUp(shape.p * shape.q, nr)
        guard computed &* (m &* k &+ 10 &* copied) <= gathered &* (m &* k &+ 10 &* k) else { return nil }
    }
}

/// Where the pixels of a padded image stand: rows and columns of each residue modulo the strides in a plane of their own, so that a step
/// of one in the result is a step of one here. What no window sees has no place.
struct PhasePlanes {
    let shape: ConvolutionShape
    /// From one row of outputs to the next.
    let width: Int
    private let rows: Int
    private let residues: Spatial
    private var plane: Int { rows * width }
    var channel: Int { residues.h * residues.w * plane }

    init(_ shape: ConvolutionShape) {
        self.shape = shape
        rows = shape.p + (shape.r - 1) * shape.dilation.h / shape.stride.h
        width = shape.q + (shape.s - 1) * shape.dilation.w / shape.stride.w
        residues = shape.residues
    }

    @inline(__always) func offset(row: Int, column: Int) -> Int {
        (row % shape.stride.h * residues.w + column % shape.stride.w) * plane + row / shape.stride.h * width + column / shape.stride.w
    }

    /// Some channels with their borders of zeros.
    func pad<T: Element>(_ x: UnsafePointer<T>, cs: Int, _ hs: Int, _ ws: Int, channels: Int, _ out: UnsafeMutablePointer<T>) {
        let step = shape.stride.h
        for r in 0..<residues.h {
            // This residue's rows above the image, and those inside.
            let above = min(ceilDivide(max(shape.top - r, 0), step), rows)
            let inside = min(max(ceilDivide(shape.top + shape.h - r, step) - above, 0), rows - above)
            var p = snn_pad(
                src: x + (r + above * step - shape.top) * hs, cs: Int64(cs), hs: Int64(step * hs), ws: Int64(ws), planes: Int64(channels),
                h: Int64(inside), w: Int64(shape.w), top: Int64(above), bottom: Int64(rows - above - inside), left: Int64(shape.left),
                phases: Int64(shape.stride.w), residues: Int64(residues.w), phase: Int64(width), dst: out + r * residues.w * plane,
                plane: Int64(channel), row: Int64(width), step: Int64(plane))
            T.kernels.pointee.pad(&p)
        }
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
    let planes = PhasePlanes(shape)
    // Whole vectors of outputs read nothing but their windows; others read past the last one.
    let copied =
        shape.isPadded || shape.q % lanes != 0 || max(shape.stride.h, shape.stride.w) > 1 || (x.strides[3] != 1 && shape.w > 1)
    let image = copied ? shape.c * planes.channel : 0
    let size = MemoryLayout<T>.stride
    // As many images are padded at once as the caches hold.
    let atOnce = copied ? min(shape.n, max(1, threads * Blocking.cacheBytes / max(1, image * size))) : shape.n
    // One chain of whole vectors goes to the result at once, any other piece of it by way of a block that stays in the nearest cache.
    let direct = vectors.wholeRows && k <= chainLength
    let stream =
        direct && whole.activation < 0 && pixels * size % 64 == 0 && UInt(bitPattern: y) % 64 == 0
        && shape.n * shape.o * pixels * size >= Blocking.streamBytes

    // Columns of a task: a multiple of the four vectors, of a single row the eight, that the kernel takes at once; two tasks a thread at least.
    let step = m == 1 ? 4 * nr : 2 * nr
    let tasksWanted = threads == 1 ? 1 : threads * 4
    let wanted = ceilDivide(vectors.columns &* atOnce &* groups, tasksWanted)
    let nc = min(Blocking.nc, roundUp(min(wanted, vectors.columns), step))
    let perImage = ceilDivide(vectors.columns, nc)
    let perWorker = (direct ? 0 : m * step) + mr * nr
    let scratch = try Scratch<T>(image * atOnce + 2 * nr + perWorker * threads)
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
    var at = 0
    for c in 0..<channels {
        for r in 0..<shape.r {
            for s in 0..<shape.s {
                let row = r * shape.dilation.h, column = s * shape.dilation.w
                offsets[at] = Int64(c * cs + (copied ? planes.offset(row: row, column: column) : row * hs + column))
                at += 1
            }
        }
    }
    let blocks = scratch.base + (copied ? image * atOnce + 2 * nr : 0)
    // Planes of a task that pads them.
    let perTask = max(1, min(ceilDivide(shape.c * atOnce, threads == 1 ? 1 : threads * 4), 16384 / max(1, shape.h * shape.w)))
    let tasks = ceilDivide(shape.c, perTask)
    for firstImage in stride(from: 0, to: shape.n, by: atOnce) {
        let images = min(atOnce, shape.n - firstImage)
        let from = x.data + firstImage * x.strides[0]
        if copied {
            ThreadPool.run(images * tasks, threads: threads) { task, _ in
                let n = task / tasks, c = task % tasks * perTask
                planes.pad(
                    from + (n * x.strides[0] + c * x.strides[1]), cs: x.strides[1], x.strides[2], x.strides[3],
                    channels: min(perTask, shape.c - c), scratch.base + (n * image + c * planes.channel))
            }
        }
        let source = copied ? UnsafePointer(scratch.base) : from
        ThreadPool.run(images * groups * perImage, threads: threads) { task, worker in
            let block = blocks + worker * perWorker
            let first = task % perImage * nc
            let columns = min(nc, vectors.columns - first)
            let g = task / perImage % groups, n = task / perImage / groups
            let b = source + (n * (copied ? image : x.strides[0]) + g * channels * cs)
            let result = y + ((firstImage + n) * shape.o + g * m) * pixels
            var epilogue = whole
            epilogue.rowBias = whole.rowBias.map { $0 + g * m }
            let a = filters + g * packedSize
            if direct {
                gemmBlock(
                    m: m, n: columns, k: k, a: a, aPanel: mr * k, b: b, bPanel: 0,
                    bPixels: BlockPixels(starts: starts + first / lanes, offsets: offsets),
                    c: result + first, ldc: pixels, row: 0, column: 0, first: true, last: true, epilogue: epilogue, stream: stream,
                    tile: block + (perWorker - mr * nr))
                return
            }
            for part in stride(from: 0, to: columns, by: step) {
                let width = min(step, columns - part)
                var k0 = 0
                repeat {
                    let depth = min(chainLength, k - k0)
                    gemmBlock(
                        m: m, n: width, k: depth, a: a + k0 * mr, aPanel: mr * k, b: b, bPanel: 0,
                        bPixels: BlockPixels(starts: starts + (first + part) / lanes, offsets: offsets + k0), c: block, ldc: step, row: 0,
                        column: 0, first: k0 == 0, last: k0 + depth == k, epilogue: epilogue, tile: block + (perWorker - mr * nr))
                    k0 += depth
                } while k0 < k
                var done = 0
                while done < width {
                    let p = (first + part + done) / vectors.pitch, q = (first + part + done) % vectors.pitch
                    // Without columns of no output the rows are one.
                    let run = min(width - done, vectors.wholeRows ? width : vectors.pitch - q)
                    let outputs = vectors.wholeRows ? run : min(run, shape.q - q)
                    if outputs > 0 {
                        T.kernels.pointee.copy_rows(
                            block + done, Int64(step), result + (p * shape.q + q), Int64(pixels), Int64(m), Int64(outputs))
                    }
                    done += run
                }
            }
        }
    }
}
