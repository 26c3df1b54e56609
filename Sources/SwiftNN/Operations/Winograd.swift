// Winograd's algorithm for 3x3 convolutions (Kernels/Winograd.swift has the mathematics): 4 times fewer multiplications, with tiles of
// 4x4 outputs. A block of tiles goes through three steps: inputs to planes U, a product U V = M for each plane with the
// transformed filters V, planes M to results. U and M of a block stay in the caches.
import CSwiftNN

enum Winograd {
    nonisolated(unsafe) static var disabled: Int64 = -1

    static var isEnabled: Bool {
        let state = snn_atomic_load(&disabled)
        if state >= 0 { return state == 0 }
        let off = getenv("SWIFTNN_WINOGRAD").map { $0[0] == 0x30 && $0[1] == 0 } ?? false
        _ = snn_atomic_compare_exchange(&disabled, -1, off ? 1 : 0)
        return snn_atomic_load(&disabled) == 0
    }

    /// Rows of A and C that the product handles at a time.
    static var productRows: Int { 6 }
    /// Tiles of a block, more or less.
    static var blockTiles: Int { 48 }
    /// Blocks of tiles up to which turned filters are written anew for each: that costs a tenth of the block's product, a pass over memory
    /// more than that.
    static var turningBlocks: Int { 3 }
    /// Tiles side by side that are transformed at once: their window stays in the nearest cache.
    static var rowTiles: Int { 12 }

    /// Where V is larger than the caches of one thread and multiplies no more tiles than the product takes at a time, its parts are made of
    /// the filters, a quarter of its size, whenever they are needed: so many channels at once, as many as the product adds up before it
    /// writes a sum.
    static var freshDepth: Int { 128 }
    static var freshBytes: Int { 16 << 20 }

    /// Outputs of a tile in each direction, and the numbers of its transforms.
    static var tile: Int { 4 }
    static var elements: Int { 36 }

    /// Whether a convolution is computed so, not directly. The layer's shape alone decides.
    static func suits(_ shape: ConvolutionShape) -> Bool {
        shape.r == 3 && shape.s == 3 && shape.stride.h == 1 && shape.stride.w == 1 && shape.dilation.h == 1 && shape.dilation.w == 1
            && shape.groups == 1 && shape.c >= 16 && shape.o >= 16 && shape.p >= 4 && shape.q >= 4 && isEnabled
    }
}

@_cdecl("snn_set_winograd") @implementation
public func snn_set_winograd(_ enabled: Int64) { snn_atomic_store(&Winograd.disabled, enabled == 0 ? 1 : 0) }

@_cdecl("snn_get_winograd") @implementation
public func snn_get_winograd() -> Int64 { Winograd.isEnabled ? 1 : 0 }

/// Pieces of a row of tiles inside a range of tiles, counted over all rows of all images.
private struct TileRows {
    let first, last: Int
    let perRow: Int
    private let start: Int
    private let pieces: Int
    let count: Int

    init(_ first: Int, _ last: Int, perRow: Int) {
        self.first = first
        self.last = last
        self.perRow = perRow
        start = first / perRow
        pieces = ceilDivide(perRow, Winograd.rowTiles)
        count = (ceilDivide(last, perRow) - start) * pieces
    }
    /// Piece i: the row of tiles, the first tile in it and how many; perhaps none.
    subscript(i: Int) -> (row: Int, tile: Int, count: Int) {
        let row = start + i / pieces
        let from = max(i % pieces * Winograd.rowTiles, first - row * perRow)
        let to = min(min((i % pieces + 1) * Winograd.rowTiles, perRow), last - row * perRow)
        return (row, from, max(0, to - from))
    }
}

/// The filters as they are, a matrix of o rows, in panels of a vector's width.
private func filterPanels<T: Element>(_ weight: ArrayView<T>, _ array: UnsafePointer<snn_array>?) throws(Failure) -> Prepared<T> {
    let o = weight.shape[0], k = weight.shape[1] * 9
    let lanes = Int(T.kernels.pointee.lanes)
    return try prepared(array, PreparedKey(kind: .filterPanels, a: 1, b: lanes), count: roundUp(o, lanes) * k) { (to) throws(Failure) in
        let filters = try Contiguous(weight)
        defer { filters.release() }
        packPanels(RowMatrix(filters.data, rows: o, rowStride: k, columnStride: 1), 0, o, 0, k, lanes, to, lanes * k)
    }
}

/// V: for each of the 36 elements a matrix of c rows and o columns in panels of a vector's width.
private func winogradFilters<T: Element>(
    _ weight: ArrayView<T>, _ array: UnsafePointer<snn_array>?
) throws(Failure) -> Prepared<T> {
    let o = weight.shape[0], c = weight.shape[1]
    let lanes = Int(T.kernels.pointee.lanes)
    let plane = roundUp(o, lanes) * c
    return try prepared(array, PreparedKey(kind: .winogradFilters), count: plane * Winograd.elements) { (to) throws(Failure) in
        let filters = try Contiguous(weight)
        defer { filters.release() }
        let threads = ThreadPool.threads(forWork: plane * Winograd.elements)
        let scratch = try Scratch<T>(threads * lanes * c * 9)
        defer { scratch.release() }
        ThreadPool.run(ceilDivide(o, lanes), threads: threads) { task, worker in
            let first = task * lanes
            let packed = scratch.base + worker * lanes * c * 9
            packPanels(
                RowMatrix(filters.data, rows: o, rowStride: c * 9, columnStride: 1), first, min(lanes, o - first), 0, c * 9, lanes, packed,
                0)
            T.kernels.pointee.winograd_filter(packed, Int64(c), to + task * lanes * c, Int64(plane))
        }
    }
}

/// V of the filters turned round, whose outputs are the given ones' inputs, out of V itself. G takes the points 0, a, -a, 1/a, -1/a and
/// infinity, and a filter read backwards is z^2 g(1/z): the same numbers in another order, to the last bit.
private struct TurnedFilters<T: Element> {
    /// V of the filters as they are: `filters` of `channels` inputs.
    let base: UnsafePointer<T>
    let filters: Int, channels: Int

    private static func place(_ i: Int) -> Int {
        let places: InlineArray<6, Int> = [5, 3, 4, 1, 2, 0]
        return places[i]
    }

    /// The panels of `count` channels from `first` on, a multiple of a vector, for one element.
    func write(_ element: Int, _ first: Int, _ count: Int, _ to: UnsafeMutablePointer<T>) {
        let lanes = Int(T.kernels.pointee.lanes)
        let plane = roundUp(filters, lanes) * channels
        T.kernels.pointee.winograd_turn(
            base + ((Self.place(element / 6) * 6 + Self.place(element % 6)) * plane + first * lanes), Int64(channels * lanes),
            Int64(min(count, channels - first)), Int64(filters), to)
    }
}

/// Where a block's tiles stand: number t of channel c in element e's plane at base[e * plane + t * row + c].
private struct TilePlanes<T> {
    let base: UnsafeMutablePointer<T>
    let plane: Int, row: Int
}

/// U of a piece of a row of tiles, some channels; first: the block's first tile.
private func transformInput<T: Element>(
    _ x: ArrayView<T>, _ shape: ConvolutionShape, _ piece: (row: Int, tile: Int, count: Int), first: Int, channel: Int, channels: Int,
    _ planes: TilePlanes<T>, _ window: UnsafeMutablePointer<T>
) {
    if piece.count == 0 { return }
    let m = Winograd.tile
    let tilesH = ceilDivide(shape.p, m), tilesW = ceilDivide(shape.q, m)
    let n = piece.row / tilesH
    let top = piece.row % tilesH * m - shape.top, left = piece.tile * m - shape.left
    let width = m * piece.count + 2
    let h0 = max(0, -top), h1 = min(m + 2, shape.h - top)
    let w0 = min(max(0, -left), width), w1 = max(w0, min(width, shape.w - left))
    let isInside = h0 < h1 && w0 < w1
    let at = isInside ? n * x.strides[0] + channel * x.strides[1] + (top + h0) * x.strides[2] + (left + w0) * x.strides[3] : 0
    var lines = snn_winograd_row()
    lines.tiles = Int64(piece.count)
    lines.channels = Int64(channels)
    lines.image = UnsafeMutableRawPointer(mutating: x.data + at)
    (lines.cs, lines.hs, lines.ws) = (Int64(x.strides[1]), Int64(x.strides[2]), Int64(x.strides[3]))
    (lines.h0, lines.h1, lines.w0, lines.w1) = (Int64(h0), Int64(h1), Int64(w0), Int64(w1))
    lines.planes = UnsafeMutableRawPointer(planes.base + ((piece.row * tilesW + piece.tile - first) * planes.row + channel))
    (lines.plane, lines.row) = (Int64(planes.plane), Int64(planes.row))
    lines.activation = Int64(SNN_NONE)
    lines.scratch = UnsafeMutableRawPointer(window)
    T.kernels.pointee.winograd_input(&lines)
}

/// The same of the result's gradient, which is contiguous: A dy A'.
private func transformGradient<T: Element>(
    _ dy: UnsafePointer<T>, _ shape: ConvolutionShape, _ piece: (row: Int, tile: Int, count: Int), first: Int, channel: Int, channels: Int,
    _ planes: TilePlanes<T>, _ window: UnsafeMutablePointer<T>
) {
    if piece.count == 0 { return }
    let m = Winograd.tile
    let tilesH = ceilDivide(shape.p, m), tilesW = ceilDivide(shape.q, m)
    let n = piece.row / tilesH, p = piece.row % tilesH * m, q = piece.tile * m
    var lines = snn_winograd_row()
    lines.tiles = Int64(piece.count)
    lines.channels = Int64(channels)
    lines.image = UnsafeMutableRawPointer(mutating: dy + (((n * shape.o + channel) * shape.p + p) * shape.q + q))
    (lines.cs, lines.hs, lines.ws) = (Int64(shape.p * shape.q), Int64(shape.q), 1)
    (lines.h1, lines.w1) = (Int64(min(m, shape.p - p)), Int64(min(m * piece.count, shape.q - q)))
    lines.planes = UnsafeMutableRawPointer(planes.base + ((piece.row * tilesW + piece.tile - first) * planes.row + channel))
    (lines.plane, lines.row) = (Int64(planes.plane), Int64(planes.row))
    lines.scratch = UnsafeMutableRawPointer(window)
    T.kernels.pointee.winograd_gradient(&lines)
}

/// y = act(bias + x * w) by tiles of 4x4 outputs; turned: w is the filters of the convolution whose input's gradient this is (shape says
/// what is computed, w is as it was given). Threads: blocks of tiles, or, where there are too few, the parts of each step.
func convolveWinograd<T: Element>(
    _ x: ArrayView<T>, _ weight: ArrayView<T>, _ array: UnsafePointer<snn_array>?, _ shape: ConvolutionShape, _ epilogue: Epilogue<T>,
    _ y: UnsafeMutablePointer<T>, turned: Bool = false
) throws(Failure) {
    let kernels = T.kernels
    let lanes = Int(kernels.pointee.lanes)
    let m = Winograd.tile, elements = Winograd.elements
    let c = shape.c, o = shape.o
    let tilesH = ceilDivide(shape.p, m), tilesW = ceilDivide(shape.q, m)
    let total = shape.n * tilesH * tilesW
    let threads = ThreadPool.threads(forWork: total &* elements &* c &* o / 8)
    let isFresh =
        !turned && threads == 1 && total <= Winograd.productRows && elements * c * o * MemoryLayout<T>.stride > Winograd.freshBytes
    let filters = isFresh ? try filterPanels(weight, array) : try winogradFilters(weight, array)
    defer { filters.release() }

    var blocks = ceilDivide(total, Winograd.blockTiles)
    let outer = blocks >= 2 * threads ? threads : 1
    let inner = outer == 1 ? threads : 1
    blocks = roundUp(blocks, outer)
    let size = roundUp(ceilDivide(total, blocks), Winograd.productRows)
    // A vector more than the channels need: rows a power of two apart would share a few sets of the cache.
    let inRow = roundUp(c, lanes) + lanes, outRow = roundUp(o, lanes) + lanes
    let inPlane = size * inRow, outPlane = size * outRow
    let window = (m + 2) * (m * Winograd.rowTiles + 2) * lanes
    let perBlock = elements * (inPlane + outPlane)
    let fewColumns = 4 * lanes
    // Turned filters are written for every block of tiles, into a near cache, where there are few blocks, else once for all.
    let often = turned && ceilDivide(total, size) <= Winograd.turningBlocks
    let freshPanel = (Winograd.freshDepth + 1) * lanes, freshColumns = 2 * lanes
    let perTurn = often ? fewColumns * c : isFresh ? 2 * elements * freshPanel : 0
    let turnedSize = turned && !often ? elements * roundUp(o, lanes) * c : 0
    let scratch = try Scratch<T>(outer * perBlock + threads * (window + perTurn) + turnedSize)
    defer { scratch.release() }
    let windows = scratch.base + outer * perBlock
    let turns = windows + threads * window
    let source = TurnedFilters(base: UnsafePointer(filters.base), filters: c, channels: o)
    if turnedSize > 0 {
        let groups = ceilDivide(o, fewColumns)
        ThreadPool.run(elements * groups, threads: ThreadPool.threads(forWork: turnedSize)) { task, _ in
            let element = task / groups, channel = task % groups * fewColumns
            source.write(element, channel, fewColumns, turns + (element * roundUp(o, lanes) + channel) * c)
        }
    }
    let ready = turned ? turns : filters.base

    ThreadPool.run(ceilDivide(total, size), threads: outer) { block, outerWorker in
        let first = block * size
        let count = min(size, total - first)
        let u = scratch.base + outerWorker * perBlock
        let mm = u + elements * inPlane
        let rows = TileRows(first, first + count, perRow: tilesW)

        let inGroup = inner == 1 ? c : 4 * lanes
        let inGroups = ceilDivide(c, inGroup)
        ThreadPool.run(rows.count * inGroups, threads: inner) { task, innerWorker in
            let channel = task % inGroups * inGroup
            transformInput(
                x, shape, rows[task / inGroups], first: first, channel: channel, channels: min(inGroup, c - channel),
                TilePlanes(base: u, plane: inPlane, row: inRow), windows + (outer == 1 ? innerWorker : outerWorker) * window)
        }

        // The rows that fill up the last tile of the product: any numbers would do, but denormal ones are slow.
        for element in 0..<elements {
            memset(
                u + (element * inPlane + count * inRow), 0, (roundUp(count, Winograd.productRows) - count) * inRow * MemoryLayout<T>.stride)
        }
        func multiply(
            _ element: Int, _ channel: Int, _ columns: Int, _ k0: Int, _ depth: Int, _ panels: UnsafePointer<T>, panel: Int
        ) {
            var product = snn_winograd_product(
                m: Int64(count), n: Int64(min(columns, roundUp(o, lanes) - channel)), k: Int64(depth), a: u + (element * inPlane + k0),
                lda: Int64(inRow), b: panels, b_panel: Int64(panel), c: mm + (element * outPlane + channel), ldc: Int64(outRow),
                first: k0 == 0 ? 1 : 0)
            kernels.pointee.winograd_product(&product)
        }
        let outGroup = inner == 1 && !often ? roundUp(o, lanes) : fewColumns
        let outGroups = ceilDivide(o, outGroup)
        if isFresh {
            for channel in stride(from: 0, to: o, by: freshColumns) {
                if Interrupt.stops() { return }
                for k0 in stride(from: 0, to: c, by: Winograd.freshDepth) {
                    let depth = min(Winograd.freshDepth, c - k0)
                    for i in stride(from: 0, to: min(freshColumns, o - channel), by: lanes) {
                        kernels.pointee.winograd_filter(
                            filters.base + ((channel + i) * c + k0 * lanes) * 9, Int64(depth), turns + i / lanes * freshPanel,
                            Int64(2 * freshPanel))
                    }
                    for element in 0..<elements {
                        multiply(element, channel, freshColumns, k0, depth, turns + element * 2 * freshPanel, panel: freshPanel)
                    }
                }
            }
        } else {
            ThreadPool.run(elements * outGroups, threads: inner) { task, innerWorker in
                let element = task / outGroups, channel = task % outGroups * outGroup
                var panels = ready + (element * roundUp(o, lanes) + channel) * c
                if often {
                    panels = turns + (outer == 1 ? innerWorker : outerWorker) * perTurn
                    source.write(element, channel, outGroup, panels)
                }
                multiply(element, channel, outGroup, 0, c, panels, panel: c * lanes)
            }
        }

        ThreadPool.run(rows.count * outGroups, threads: inner) { task, innerWorker in
            let (row, tile, tiles) = rows[task / outGroups]
            if tiles == 0 { return }
            let channel = task % outGroups * outGroup
            let n = row / tilesH
            let p = row % tilesH * m, q = tile * m
            var lines = snn_winograd_row()
            lines.tiles = Int64(tiles)
            lines.channels = Int64(min(outGroup, o - channel))
            lines.image = UnsafeMutableRawPointer(y + (((n * o + channel) * shape.p + p) * shape.q + q))
            lines.cs = Int64(shape.p * shape.q)
            lines.hs = Int64(shape.q)
            lines.ws = 1
            lines.h1 = Int64(min(m, shape.p - p))
            lines.w1 = Int64(min(m * tiles, shape.q - q))
            lines.planes = UnsafeMutableRawPointer(mm + ((row * tilesW + tile - first) * outRow + channel))
            lines.plane = Int64(outPlane)
            lines.row = Int64(outRow)
            lines.bias = epilogue.rowBias.map { UnsafeRawPointer($0 + channel) }
            lines.activation = Int64(epilogue.activation)
            lines.alpha = epilogue.alpha
            lines.beta = epilogue.beta
            lines.scratch = UnsafeMutableRawPointer(windows + (outer == 1 ? innerWorker : outerWorker) * window)
            kernels.pointee.winograd_output(&lines)
        }
    }
}

/// dw = G' [ Σ (B' d B) . (A dy A') ] G, the sum over all tiles: block after block of them, for each of the 36 elements a product of c rows
/// and o columns. A block has as many tiles as the shape says, so that threads change no bit. Threads: the parts of each step.
func winogradWeightGradient<T: Element>(
    _ dy: UnsafePointer<T>, _ x: ArrayView<T>, _ shape: ConvolutionShape, _ dweight: UnsafeMutablePointer<T>
) throws(Failure) {
    let kernels = T.kernels
    let lanes = Int(kernels.pointee.lanes)
    let m = Winograd.tile, elements = Winograd.elements
    let c = shape.c, o = shape.o
    let tilesH = ceilDivide(shape.p, m), tilesW = ceilDivide(shape.q, m)
    let total = shape.n * tilesH * tilesW
    let threads = ThreadPool.threads(forWork: total &* elements &* c &* o / 8)
    // The sums are read and written once for each block: the more channels, the more tiles make up for that.
    let block = min(roundUp(total, 16), max(Winograd.blockTiles, roundUp(c * o / (c + o), 16)))
    let inRow = roundUp(c, lanes) + lanes, outRow = roundUp(o, lanes) + lanes
    let inPlane = block * inRow, outPlane = block * outRow
    // Where one block is all, the sums of some channels and filters become their gradient while they are cached.
    let isOne = total <= block
    let someChannels = isOne ? min(roundUp(c, Winograd.productRows), 8 * Winograd.productRows) : roundUp(c, Winograd.productRows)
    let group = 4 * lanes
    let sumsRow = isOne ? min(group, roundUp(o, lanes)) : roundUp(o, lanes), sumsPlane = someChannels * sumsRow
    let window = 6 * (m * Winograd.rowTiles + 2) * lanes
    let perWorker = max(window, 9 * someChannels * lanes + (isOne ? elements * sumsPlane : 0))
    let scratch = try Scratch<T>(elements * (inPlane + outPlane + (isOne ? 0 : sumsPlane)) + threads * perWorker)
    defer { scratch.release() }
    let u = TilePlanes(base: scratch.base, plane: inPlane, row: inRow)
    let z = TilePlanes(base: u.base + elements * inPlane, plane: outPlane, row: outRow)
    let shared = z.base + elements * outPlane
    let workers = shared + (isOne ? 0 : elements * sumsPlane)
    // Of U the columns behind the last vector: the product's last rows take them, and denormal numbers would be slow.
    ThreadPool.run(elements, threads: threads) { element, _ in
        memset(u.base + element * inPlane, 0, inPlane * MemoryLayout<T>.stride)
    }
    /// Sums of channels and filters of one element over `count` tiles.
    func multiply(_ element: Int, _ count: Int, channel: Int, channels: Int, filter: Int, _ sums: UnsafeMutablePointer<T>, first: Bool) {
        var product = snn_winograd_outer(
            m: Int64(channels), n: Int64(min(group, roundUp(o, lanes) - filter)), k: Int64(count),
            a: u.base + (element * inPlane + channel), lda: Int64(inRow), b: z.base + (element * outPlane + filter), ldb: Int64(outRow),
            c: sums, ldc: Int64(sumsRow), first: first ? 1 : 0)
        kernels.pointee.winograd_outer(&product)
    }
    /// The gradient of a vector of filters, some channels.
    func finish(
        _ sums: UnsafeMutablePointer<T>, channel: Int, channels: Int, filter: Int, _ room: UnsafeMutablePointer<T>
    ) {
        kernels.pointee.winograd_filter_gradient(
            sums, Int64(sumsPlane), Int64(sumsRow), Int64(channels), Int64(min(lanes, o - filter)), room,
            dweight + (filter * c + channel) * 9, Int64(c * 9))
    }

    let inGroups = ceilDivide(c, group), outGroups = ceilDivide(o, group)
    for first in stride(from: 0, to: total, by: block) {
        if Interrupt.stops() { return }
        let count = min(block, total - first)
        let rows = TileRows(first, first + count, perRow: tilesW)
        ThreadPool.run(rows.count * (inGroups + outGroups), threads: threads) { task, worker in
            let piece = rows[task / (inGroups + outGroups)], i = task % (inGroups + outGroups)
            let own = workers + worker * perWorker
            if i < inGroups {
                transformInput(x, shape, piece, first: first, channel: i * group, channels: min(group, c - i * group), u, own)
            } else {
                let channel = (i - inGroups) * group
                transformGradient(dy, shape, piece, first: first, channel: channel, channels: min(group, o - channel), z, own)
            }
        }
        if isOne { break }
        ThreadPool.run(elements * outGroups, threads: threads) { task, _ in
            let element = task / outGroups, filter = task % outGroups * group
            multiply(
                element, count, channel: 0, channels: c, filter: filter, shared + (element * sumsPlane + filter), first: first == 0)
        }
    }
    if isOne {
        let parts = ceilDivide(c, someChannels)
        ThreadPool.run(outGroups * parts, threads: threads) { task, worker in
            let channel = task % parts * someChannels, filter = task / parts * group
            let channels = min(someChannels, c - channel)
            let room = workers + worker * perWorker
            let sums = room + 9 * someChannels * lanes
            for element in 0..<elements {
                multiply(
                    element, total, channel: channel, channels: channels, filter: filter, sums + element * sumsPlane, first: true)
            }
            for vector in stride(from: 0, to: min(group, o - filter), by: lanes) {
                finish(sums + vector, channel: channel, channels: channels, filter: filter + vector, room)
            }
        }
        return
    }
    ThreadPool.run(ceilDivide(o, lanes), threads: threads) { task, worker in
        finish(shared + task * lanes, channel: 0, channels: c, filter: task * lanes, workers + worker * perWorker)
    }
}
