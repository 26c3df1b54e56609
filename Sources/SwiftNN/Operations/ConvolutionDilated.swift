// Dilated convolutions as others: outputs whose rows and columns leave the same residue modulo the dilation see the pixels of one residue, as
// an undilated convolution of them does. So those of 3x3 filters go by Winograd's algorithm.
import CSwiftNN

/// One dimension of the outputs i, i + dilation, ...: which pixels they see.
private struct Residue {
    /// Outputs, the first pixel and how many (dilation apart), and the borders of zeros.
    let outputs, first, size, before, after: Int

    init(_ i: Int, dilation: Int, outputs all: Int, size n: Int, before border: Int, taps: Int) {
        outputs = (all - i + dilation - 1) / dilation
        // Pixel of the first output's first tap, counted in pixels of the residue from the first of those in the image on.
        let place = i - border, residue = (place % dilation + dilation) % dilation
        let start = (place - residue) / dilation
        let there = (n - residue + dilation - 1) / dilation
        before = max(-start, 0)
        first = residue + max(start, 0) * dilation
        let seen = outputs + taps - 1 - before
        size = min(max(there - max(start, 0), 0), seen)
        after = seen - size
    }
}

/// The convolutions that a dilated one is made of, for each residue of rows and columns.
private struct Residues {
    let shape: ConvolutionShape
    var rows: Int { min(shape.dilation.h, shape.p) }
    var columns: Int { min(shape.dilation.w, shape.q) }

    func of(_ i: Int, _ j: Int) -> (shape: ConvolutionShape, row: Residue, column: Residue) {
        let d = shape.dilation
        let row = Residue(i, dilation: d.h, outputs: shape.p, size: shape.h, before: shape.top, taps: shape.r)
        let column = Residue(j, dilation: d.w, outputs: shape.q, size: shape.w, before: shape.left, taps: shape.s)
        let one = Spatial(h: 1, w: 1)
        return (
            ConvolutionShape(
                n: shape.n, c: shape.c, h: row.size, w: column.size, o: shape.o, r: shape.r, s: shape.s, groups: shape.groups, stride: one,
                dilation: one, top: row.before, bottom: row.after, left: column.before, right: column.after, p: row.outputs,
                q: column.outputs),
            row, column
        )
    }
}

/// Whether a dilated convolution is computed by Winograd's algorithm in parts. The layer's shape alone decides.
func suitsDilated(_ shape: ConvolutionShape) -> Bool {
    guard max(shape.dilation.h, shape.dilation.w) > 1 && shape.r == 3 && shape.s == 3 && max(shape.stride.h, shape.stride.w) == 1 else {
        return false
    }
    // Of few channels putting the results together takes too long, as do the outputs of tiles that lie beyond the edges of small parts.
    guard min(shape.c, shape.o) >= 32 else { return false }
    let parts = Residues(shape: shape)
    var computed = 0
    for i in 0..<parts.rows {
        for j in 0..<parts.columns {
            let part = parts.of(i, j).shape
            guard part.h > 0 && part.w > 0 && min(part.bottom, part.right) >= 0 && Winograd.suits(part) else { return false }
            computed += roundUp(part.p, Winograd.tile) * roundUp(part.q, Winograd.tile)
        }
    }
    return computed * 5 <= shape.p * shape.q * 7
}

/// turned: as of convolveWinograd. Threads: parts, where there are enough of them, else those of each part.
func convolveDilated<T: Element>(
    _ x: ArrayView<T>, _ weight: ArrayView<T>, _ array: UnsafePointer<snn_array>?, _ shape: ConvolutionShape, _ epilogue: Epilogue<T>,
    _ y: UnsafeMutablePointer<T>, turned: Bool = false
) throws(Failure) {
    let parts = Residues(shape: shape)
    let d = shape.dilation, largest = parts.of(0, 0).shape
    let all = ThreadPool.threads(forWork: shape.n &* shape.c &* shape.o &* shape.p &* shape.q / 2)
    let threads = parts.rows * parts.columns >= 4 * all ? all : 1
    let room = shape.n * shape.o * largest.p * largest.q
    let scratch = try Scratch<T>(room * threads)
    defer { scratch.release() }
    func compute(_ i: Int, _ j: Int, _ result: UnsafeMutablePointer<T>) throws(Failure) {
        let (part, row, column) = parts.of(i, j)
        let source = ArrayView(
            data: x.data + (row.first * x.strides[2] + column.first * x.strides[3]), shape: Shape(part.n, part.c, part.h, part.w),
            strides: Shape(x.strides[0], x.strides[1], x.strides[2] * d.h, x.strides[3] * d.w))
        try convolveWinograd(source, weight, array, part, epilogue, result, turned: turned)
        let pixels = part.p * part.q
        ThreadPool.run(part.n * part.o, threads: ThreadPool.threads(forWork: part.n * part.o * pixels)) { plane, _ in
            for p in 0..<part.p {
                let from = result + (plane * pixels + p * part.q)
                let to = y + ((plane * shape.p + i + p * d.h) * shape.q + j)
                for q in 0..<part.q { to[q &* d.w] = from[q] }
            }
        }
    }
    // The first part alone: what it makes of the filters is there for the others.
    try compute(0, 0, scratch.base)
    if threads == 1 {
        for part in 1..<(parts.rows * parts.columns) { try compute(part / parts.columns, part % parts.columns, scratch.base) }
        return
    }
    var failed: Int64 = 0
    withUnsafeMutablePointer(to: &failed) { failed in
        ThreadPool.run(parts.rows * parts.columns - 1, threads: threads) { task, worker in
            do throws(Failure) {
                try compute((task + 1) / parts.columns, (task + 1) % parts.columns, scratch.base + worker * room)
            } catch {
                snn_atomic_store(failed, 1)
            }
        }
    }
    try Interrupt.check()
    if failed != 0 { throw Message("conv: there is no memory for the parts of a dilated convolution").memoryError }
}
