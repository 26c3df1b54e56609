// Winograd's algorithm along rows for convolutions of few input channels (Kernels/WinogradLines.swift has the mathematics): half of the
// multiplications. A band of rows is transformed, tiles of four columns, and used while it is cached: planes of tiles, row after row, in
// which the rows that a filter reads below each other are a fixed distance apart, so that vectors of tiles run on from row to row.
import CSwiftNN

extension Winograd {
    /// Numbers of a filter that one output is the sum of, divided by its columns: so many planes of a block stay in the nearest cache.
    private static var mostLines: Int { 45 }

    /// Whether a convolution is computed so: few channels, for which transforms in both directions would cost more than they save, and images
    /// that fill most of the vectors of tiles. Their shapes alone decide.
    static func suitsLines(_ shape: ConvolutionShape, block: Int) -> Bool {
        guard shape.s == 3 && shape.groups == 1 && shape.stride.h == 1 && shape.stride.w == 1 && shape.dilation.w == 1 && isEnabled,
            shape.c >= 2 && shape.o >= 4 && shape.c * shape.r <= mostLines
        else { return false }
        return 5 * roundUp(shape.p * ceilDivide(shape.q, tile), block) * tile <= 6 * shape.p * shape.q
    }
}

/// How many channels and elements of their transforms the kernel takes at a time.
private func linePanel<T: Element>(_: T.Type) -> (channels: Int, elements: Int) {
    let kernels = T.kernels.pointee
    return kernels.nr == 2 * kernels.lanes ? (4, 3) : (min(Int(kernels.mr), 8), 1)
}

/// G of the filters' rows, in panels as the kernel reads them.
private func lineFilters<T: Element>(_ weight: ArrayView<T>, _ array: UnsafePointer<snn_array>?) throws(Failure) -> Prepared<T> {
    let o = weight.shape[0], c = weight.shape[1], r = weight.shape[2], strides = weight.strides
    let depth = c * r, (rows, elements) = linePanel(T.self)
    return try prepared(array, PreparedKey(kind: .winogradLines), count: roundUp(o, rows) * depth * 6) { (to) throws(Failure) in
        let root2 = 2.0.squareRoot()
        for i in 0..<roundUp(o, rows) {
            for k in 0..<depth {
                let line = to + (i / rows * 6 * depth + k * elements) * rows + i % rows
                let from = weight.data + (i * strides[0] + k / r * strides[1] + k % r * strides[2])
                let g0 = i < o ? Double(from[0]) : 0, g1 = i < o ? root2 * Double(from[strides[3]]) : 0
                let g2 = i < o ? Double(from[2 * strides[3]]) : 0
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
    let lanes = Int(T.kernels.pointee.lanes), block = 2 * lanes, m = Winograd.tile
    let c = shape.c, o = shape.o, r = shape.r, k = c * r
    let tiles = ceilDivide(shape.q, m), pixels = shape.p * shape.q
    let filters = try lineFilters(weight, array)
    defer { filters.release() }
    let threads = ThreadPool.threads(forWork: shape.n &* o &* pixels &* k / 2)

    // Rows of a band: some whole blocks of tiles, two bands a thread at least.
    let step = min(shape.p, wholeBlockRows(tiles, block))
    let wanted = min(max(1, 512 / tiles), ceilDivide(shape.n * shape.p, threads == 1 ? 1 : 2 * threads))
    let band = min(shape.p, roundUp(max(1, wanted - step / 2), step))
    let bands = ceilDivide(shape.p, band)
    let halo = (r - 1) * shape.dilation.h
    let plane = (band + halo) * tiles + 3 * lanes
    let rowSize = m * roundUp(tiles, lanes) + m
    let sums = 6 * linePanel(T.self).channels * block
    let perWorker = sums + 6 * c * plane + o * block * m + roundUp(rowSize, lanes)
    let scratch = try Scratch<T>(perWorker * threads)
    defer { scratch.release() }
    let offsets = try Scratch<Int64>(k)
    defer { offsets.release() }
    for i in 0..<k { offsets.base[i] = Int64(i / r * 6 * plane + i % r * shape.dilation.h * tiles) }
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
        let results = planes + 6 * c * plane
        transformLines(x, shape, image: n, first: first, rows: rows + halo, tiles: tiles, planes, plane, results + o * block * m)
        let count = rows * tiles
        let y = y + (n * o * pixels + first * shape.q)
        for t in stride(from: 0, to: count, by: block) {
            let direct = wholeRows && t + block <= count
            var product = snn_winograd_line_product(
                channels: Int64(o), k: Int64(k), planes: planes + t, plane: Int64(plane), offsets: offsets.base, filters: filters.base,
                bias: epilogue.rowBias, activation: Int64(epilogue.activation), alpha: epilogue.alpha, beta: epilogue.beta,
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

/// The planes of `rows` rows of the padded image from `first` on.
private func transformLines<T: Element>(
    _ x: ArrayView<T>, _ shape: ConvolutionShape, image n: Int, first: Int, rows: Int, tiles: Int, _ planes: UnsafeMutablePointer<T>,
    _ plane: Int, _ row: UnsafeMutablePointer<T>
) {
    for c in 0..<shape.c {
        let channel = x.data + (n * x.strides[0] + c * x.strides[1])
        for i in 0..<rows {
            let h = first + i - shape.top
            let inside = h >= 0 && h < shape.h
            var line = snn_winograd_line(
                x: inside ? channel + h * x.strides[2] : nil, ws: Int64(x.strides[3]), left: Int64(shape.left), width: Int64(shape.w),
                tiles: Int64(tiles), planes: planes + (c * 6 * plane + i * tiles), plane: Int64(plane), scratch: row)
            T.kernels.pointee.winograd_line(&line)
        }
        // What fills up the last block's vectors: any numbers would do, but denormal ones are slow.
        for j in 0..<6 {
            let end = rows * tiles
            memset(planes + ((c * 6 + j) * plane + end), 0, (plane - end) * MemoryLayout<T>.stride)
        }
    }
}
