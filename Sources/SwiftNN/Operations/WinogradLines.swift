// Winograd's algorithm along rows for convolutions of few input channels (Kernels/WinogradLines.swift has the mathematics): half of the
// multiplications, or a third less where a filter's row is not three columns. A band of rows is transformed, tiles of four columns, and used
// while it is cached: planes of tiles, row after row, in which the rows that a filter reads below each other are a fixed distance apart, so
// that vectors of tiles run on from row to row.
import CSwiftNN

extension Winograd {
    /// Numbers of a filter that one output is the sum of, divided by its columns: so many planes of a block stay in the nearest cache, ...
    private static var mostLines: Int { 45 }
    /// ... and so many in the next one, where nothing else is ahead of the direct algorithm.
    private static var mostFarLines: Int { 160 }

    /// Whether a convolution is computed so: few channels, for which transforms in both directions would cost more than they save, and images
    /// that fill most of the vectors of tiles. Their shapes alone decide.
    static func suitsLines(_ shape: ConvolutionShape, block: Int) -> Bool {
        guard shape.s >= 3 && shape.groups == 1 && shape.dilation.w == 1 && shape.c >= 2 && shape.o >= 4 && isEnabled else { return false }
        let computed = roundUp(shape.p * ceilDivide(shape.q, tile), block) * tile, wanted = shape.p * shape.q
        if shape.s == 3 && shape.stride.h == 1 && shape.stride.w == 1 {
            return shape.c * shape.r <= mostLines && 5 * computed <= 6 * wanted
        }
        // Of four outputs of a channel, 6 k products, 24 for the transform of the sums, and what one channel of o has of the transforms of the
        // input, 96 each; a quarter more of all, for planes come from the second cache. Rows whose planes are longer than that are left.
        let lines = TapLines(s: shape.s, stride: shape.stride.w).count
        let k = shape.c * shape.r * lines, sets = shape.c * shape.residues.h * lines
        return k <= mostFarLines && 6 * sets * ceilDivide(shape.q, tile) <= 1 << 15
            && 5 * computed * ((3 * k + 12) * shape.o + 48 * sets) <= 8 * wanted * shape.c * shape.r * shape.s * shape.o
    }
}

/// A filter's row as lines of up to three taps that see neighbouring columns of one residue modulo the stride, residue after residue.
private struct TapLines {
    private let s: Int, stride: Int
    let count: Int

    init(s: Int, stride: Int) {
        (self.s, self.stride) = (s, stride)
        var count = 0
        for residue in 0..<min(s, stride) { count += ceilDivide(ceilDivide(s - residue, stride), 3) }
        self.count = count
    }

    /// Residues that have taps.
    var residues: Int { min(s, stride) }
    /// Lines of a residue.
    func lines(_ residue: Int) -> Int { ceilDivide(ceilDivide(s - residue, stride), 3) }
    /// The first tap of line i and how many it has.
    subscript(i: Int) -> (first: Int, taps: Int) {
        var residue = 0, line = i
        while line >= lines(residue) {
            line -= lines(residue)
            residue += 1
        }
        return (residue + 3 * line * stride, min(3, ceilDivide(s - residue, stride) - 3 * line))
    }
}

/// How many channels, elements of their transforms and vectors of tiles the kernel takes at a time, and the vectors that it keeps of them.
private struct LineKernel {
    let channels, elements, vectors, kept: Int

    /// depth: numbers that a sum has.
    init<T: Element>(depth: Int, _: T.Type) {
        let kernels = T.kernels.pointee
        if kernels.wide_columns > 0 && depth > 10 {
            (channels, elements, vectors, kept) = (8, 1, 3, 18 * 64)
        } else if kernels.nr == 2 * kernels.lanes {
            (channels, elements, vectors, kept) = (4, 3, 2, 12 * 4)
        } else {
            (channels, elements, vectors) = (min(Int(kernels.mr), 8), 1, 2)
            kept = 12 * channels
        }
    }
}

/// G of the filters' lines, in panels as the kernel reads them.
private func lineFilters<T: Element>(
    _ weight: ArrayView<T>, _ array: UnsafePointer<snn_array>?, strideW: Int
) throws(Failure) -> Prepared<T> {
    let o = weight.shape[0], c = weight.shape[1], r = weight.shape[2], strides = weight.strides
    let lines = TapLines(s: weight.shape[3], stride: strideW)
    let depth = c * r * lines.count, kernel = LineKernel(depth: depth, T.self), rows = kernel.channels, elements = kernel.elements
    return try prepared(array, PreparedKey(kind: .winogradLines, a: strideW), count: roundUp(o, rows) * depth * 6) { (to) throws(Failure) in
        let root2 = 2.0.squareRoot()
        for k in 0..<depth {
            let (first, taps) = lines[k % lines.count], row = k / lines.count
            let at = row / r * strides[1] + row % r * strides[2] + first * strides[3]
            for i in 0..<roundUp(o, rows) {
                let line = to + (i / rows * 6 * depth + k * elements) * rows + i % rows
                func tap(_ j: Int) -> Double { i < o && j < taps ? Double(weight.data[i * strides[0] + at + j * strideW * strides[3]]) : 0 }
                let g0 = tap(0), g1 = root2 * tap(1), g2 = tap(2)
                func put(_ j: Int, _ v: Double) { line[(j / elements * elements * depth + j % elements) * rows] = T(v) }
                put(0, g0)
                put(1, 2 * g0 + g2 + g1)
                put(2, 2 * g0 + g2 - g1)
                put(3, 2 * g2 + g0 + g1)
                put(4, 2 * g2 + g0 - g1)
                put(5, g2)
            }
        }
    }
}

/// y = act(bias + x * w). Threads: bands of rows.
func convolveLines<T: Element>(
    _ x: ArrayView<T>, _ weight: ArrayView<T>, _ array: UnsafePointer<snn_array>?, _ shape: ConvolutionShape, _ epilogue: Epilogue<T>,
    _ y: UnsafeMutablePointer<T>
) throws(Failure) {
    let lanes = Int(T.kernels.pointee.lanes), m = Winograd.tile
    let lines = TapLines(s: shape.s, stride: shape.stride.w)
    let c = shape.c, o = shape.o, r = shape.r, k = c * r * lines.count
    let kernel = LineKernel(depth: k, T.self), block = kernel.vectors * lanes
    let tiles = ceilDivide(shape.q, m), pixels = shape.p * shape.q
    let filters = try lineFilters(weight, array, strideW: shape.stride.w)
    defer { filters.release() }
    let threads = ThreadPool.threads(forWork: shape.n &* o &* pixels &* k / 2)

    // Rows of a band: some whole blocks of tiles, two bands a thread at least.
    let step = min(shape.p, wholeBlockRows(tiles, block))
    let wanted = min(max(1, 512 / tiles), ceilDivide(shape.n * shape.p, threads == 1 ? 1 : 2 * threads))
    let band = min(shape.p, roundUp(max(1, wanted - step / 2), step))
    let bands = ceilDivide(shape.p, band)
    // Rows of each residue modulo the stride have planes of their own.
    let residues = shape.residues.h, sets = c * residues * lines.count
    let halo = (r - 1) * shape.dilation.h / shape.stride.h
    let plane = (band + halo) * tiles + 3 * lanes
    let rowSize = 2 * m * lineColumns(tiles, lines.lines(0), lanes) + m * lanes
    let sums = kernel.kept * lanes
    let perWorker = sums + 6 * sets * plane + o * block * m + roundUp(rowSize, lanes)
    let scratch = try Scratch<T>(perWorker * threads)
    defer { scratch.release() }
    let offsets = try Scratch<Int64>(k)
    defer { offsets.release() }
    for i in 0..<k {
        let channel = i / lines.count / r, row = i / lines.count % r * shape.dilation.h
        let set = (channel * residues + row % shape.stride.h) * lines.count + i % lines.count
        offsets.base[i] = Int64(set * 6 * plane + row / shape.stride.h * tiles)
    }
    // Rows of whole tiles follow each other in the result as they do here.
    let wholeRows = shape.q % m == 0
    let size = MemoryLayout<T>.stride
    // Several threads are ahead of the memory: what the caches may hold goes there.
    let farBytes = (threads == 1 ? 1 : 2) * Blocking.streamBytes
    let far =
        wholeRows && epilogue.activation < 0 && shape.n * o * pixels * size >= farBytes && pixels * size % 64 == 0
        && band * shape.q * size % 64 == 0 && UInt(bitPattern: y) % 64 == 0

    ThreadPool.run(shape.n * bands, threads: threads) { task, worker in
        let n = task / bands, first = task % bands * band
        let rows = min(band, shape.p - first)
        let own = scratch.base + worker * perWorker
        let planes = own + sums
        let results = planes + 6 * sets * plane
        transformLines(x, shape, image: n, first: first, rows: rows + halo, tiles: tiles, planes, plane, results + o * block * m)
        let count = rows * tiles
        let y = y + (n * o * pixels + first * shape.q)
        for t in stride(from: 0, to: count, by: block) {
            let direct = wholeRows && t + block <= count
            var product = snn_winograd_line_product(
                vectors: Int64(kernel.vectors), channels: Int64(o), k: Int64(k), planes: planes + t, plane: Int64(plane),
                offsets: offsets.base, filters: filters.base, bias: epilogue.rowBias, activation: Int64(epilogue.activation),
                alpha: epilogue.alpha, beta: epilogue.beta,
                y: direct ? y + t * m : results, ldy: Int64(direct ? pixels : block * m), stream: far && direct ? 1 : 0,
                scratch: own)
            T.kernels.pointee.winograd_line_product(&product)
            if direct { continue }
            var done = 0
            let valid = min(block, count - t)
            while done < valid {
                let row = (t + done) / tiles, tile = (t + done) % tiles
                let run = wholeRows ? valid - done : min(valid - done, tiles - tile)
                let outputs = wholeRows ? m * run : min(m * run, shape.q - m * tile)
                T.kernels.pointee.copy_rows(
                    results + m * done, Int64(block * m), y + (row * shape.q + m * tile), Int64(pixels), Int64(o), Int64(outputs))
                done += run
            }
        }
    }
}

/// The least number of rows whose tiles are whole blocks.
private func wholeBlockRows(_ tiles: Int, _ block: Int) -> Int {
    var rows = block
    while rows % 2 == 0 && tiles * rows / 2 % block == 0 { rows /= 2 }
    return rows
}

/// The tiles whose numbers the kernel holds of a row for so many lines.
private func lineColumns(_ tiles: Int, _ lines: Int, _ lanes: Int) -> Int { roundUp(tiles + (3 * lines + 2) / 4, lanes) }

/// The planes of `rows` rows, of each residue modulo the stride, of the padded image: from the windows of the row of outputs `first` on.
private func transformLines<T: Element>(
    _ x: ArrayView<T>, _ shape: ConvolutionShape, image n: Int, first: Int, rows: Int, tiles: Int, _ planes: UnsafeMutablePointer<T>,
    _ plane: Int, _ row: UnsafeMutablePointer<T>
) {
    let lines = TapLines(s: shape.s, stride: shape.stride.w), stride = shape.stride, residues = shape.residues.h
    var done = 0
    for phase in 0..<lines.residues {
        let count = lines.lines(phase), most = Winograd.tile * lineColumns(tiles, count, Int(T.kernels.pointee.lanes))
        // The columns of the image that the phase's first taps see begin here; so many zeros stand before the image.
        let column = phase - shape.left
        let left = min(most, column < 0 ? ceilDivide(-column, stride.w) : 0)
        let begin = column + left * stride.w
        let width = min(most - left, begin < shape.w ? ceilDivide(shape.w - begin, stride.w) : 0)
        for channel in 0..<(shape.c * residues) {
            let c = channel / residues, residue = channel % residues
            let from = x.data + (n * x.strides[0] + c * x.strides[1] + begin * x.strides[3])
            let to = planes + (channel * lines.count + done) * 6 * plane
            for i in 0..<rows {
                let h = (first + i) * stride.h + residue - shape.top
                let inside = h >= 0 && h < shape.h && width > 0
                var line = snn_winograd_line(
                    x: inside ? from + h * x.strides[2] : nil, ws: Int64(x.strides[3] * stride.w), left: Int64(left), width: Int64(width),
                    tiles: Int64(tiles), lines: Int64(count), planes: to + i * tiles, plane: Int64(plane), scratch: row)
                T.kernels.pointee.winograd_line(&line)
            }
            // What fills up the last block's vectors: any numbers would do, but denormal ones are slow.
            for j in 0..<(6 * count) {
                let end = rows * tiles
                memset(to + (j * plane + end), 0, (plane - end) * MemoryLayout<T>.stride)
            }
        }
        done += count
    }
}
