// LOOP 2 and 1 of the GEMM: one block of A against one packed block of B, tile by tile, with bias, residual and activation.
import CSwiftNN

/// A typed copy of snn_gemm_block.
struct GemmBlock<T: Real> {
    let m, n, k, height: Int
    let a: UnsafePointer<T>, aPanel: Int, aRow: Int, aStep: Int, aLast: Int
    let b: UnsafePointer<T>, bPanel: Int, bStride: Int
    let bStarts: UnsafePointer<Int64>?, bOffsets: UnsafePointer<Int64>?
    let c: UnsafeMutablePointer<T>, ldc: Int
    let rowBias: UnsafePointer<T>?, columnBias: UnsafePointer<T>?
    let residual: UnsafePointer<T>?, ldr: Int
    let activation: Int, alpha: Double, beta: Double
    let first: Bool, last: Bool, chained: Bool, far: Bool, stream: Bool
    let ahead: UnsafePointer<T>?
    let tile: UnsafeMutablePointer<T>

    /// Whether rows of A are as far from each other at a panel's end as in it.
    @inline(__always) var hasEvenRows: Bool { aPanel == height &* aRow }
    /// How A lies: distances that are constants make the loops of tiles shorter. Against pixels in place it is packed.
    @inline(__always) var hasRowsInPlace: Bool { aStep == 1 }
    @inline(__always) var hasPackedRows: Bool { aRow == 1 && aStep == Level.mr }
    /// Where row i of A begins.
    @inline(__always) func rowPlace(_ i: Int) -> Int {
        hasEvenRows ? i &* aRow : i / height &* aPanel &+ i % height &* aRow
    }
    /// Whether the tiles' chains are added to C.
    @inline(__always) var adds: Bool { !first && !chained }

    @inline(__always) init(_ p: UnsafePointer<snn_gemm_block>) {
        let g = p.pointee
        m = Int(g.m); n = Int(g.n); k = Int(g.k); height = Int(g.height)
        a = g.a.unsafelyUnwrapped.assumingMemoryBound(to: T.self); aPanel = Int(g.a_panel)
        aRow = Int(g.a_rs); aStep = Int(g.a_ks); aLast = Int(g.a_last)
        b = g.b.unsafelyUnwrapped.assumingMemoryBound(to: T.self); bPanel = Int(g.b_panel); bStride = Int(g.b_stride)
        bStarts = g.b_starts; bOffsets = g.b_offsets
        c = g.c.unsafelyUnwrapped.assumingMemoryBound(to: T.self); ldc = Int(g.ldc)
        rowBias = g.row_bias?.assumingMemoryBound(to: T.self)
        columnBias = g.col_bias?.assumingMemoryBound(to: T.self)
        residual = g.residual?.assumingMemoryBound(to: T.self); ldr = Int(g.ldr)
        activation = Int(g.activation); alpha = g.alpha; beta = g.beta
        first = g.first != 0; last = g.last != 0; chained = g.chained != 0; far = g.far != 0; stream = g.stream != 0
        ahead = g.ahead?.assumingMemoryBound(to: T.self)
        tile = g.tile.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    }
}

/// Two vectors of columns of B from column j on.
private protocol BlockColumns {
    associatedtype T: Real
    associatedtype Columns: TileColumns where Columns.V == T.Tile
    static func columns(_ g: GemmBlock<T>, _ j: Int) -> Columns
    /// The same for a single row.
    associatedtype RowColumns: TileColumns where RowColumns.V == T.Tile
    static func rowColumns(_ g: GemmBlock<T>, _ j: Int) -> RowColumns
    /// Three vectors.
    associatedtype Triples: TileTriples where Triples.V == T.Tile
    static func triples(_ g: GemmBlock<T>, _ j: Int) -> Triples
    /// Four vectors.
    associatedtype Quads: TileQuads where Quads.V == T.Tile
    static func quads(_ g: GemmBlock<T>, _ j: Int) -> Quads
    /// Whether vectors behind the last column may be read.
    static var readsOn: Bool { get }
}

private enum Panels<T: Real>: BlockColumns {
    @inline(__always) static func columns(_ g: GemmBlock<T>, _ j: Int) -> PanelColumns<T.Tile> {
        let nr = 2 &* T.Tile.lanes
        // Rows in place are as far apart as the matrix is wide: few of them fit the nearest cache's sets.
        return PanelColumns(b: g.b + (j / nr) &* g.bPanel, stride: g.bStride, near: g.bStride == nr ? 40 &* nr : 8 &* g.bStride)
    }
    @inline(__always) static func rowColumns(_ g: GemmBlock<T>, _ j: Int) -> RowOfPanel<T.Tile> {
        RowOfPanel(b: g.b + (j / (2 &* T.Tile.lanes)) &* g.bPanel, stride: g.bStride)
    }
    @inline(__always) static func triples(_ g: GemmBlock<T>, _ j: Int) -> PanelTriples<T.Tile> {
        @inline(__always) func vector(_ j: Int) -> Int { (j / (2 &* T.Tile.lanes)) &* g.bPanel &+ j % (2 &* T.Tile.lanes) }
        let first = vector(j)
        return PanelTriples(
            b: g.b + first, second: vector(j &+ T.Tile.lanes) &- first, third: vector(j &+ 2 &* T.Tile.lanes) &- first)
    }
    @inline(__always) static func quads(_ g: GemmBlock<T>, _ j: Int) -> PanelQuads<T.Tile> {
        PanelQuads(b: g.b + (j / (2 &* T.Tile.lanes)) &* g.bPanel, panel: g.bPanel)
    }
    @inline(__always) static var readsOn: Bool { false }
}

private enum InPlace<T: Real>: BlockColumns {
    @inline(__always) static func columns(_ g: GemmBlock<T>, _ j: Int) -> PixelColumns<T.Tile> {
        let starts = g.bStarts.unsafelyUnwrapped + j / T.Tile.lanes
        return PixelColumns(left: g.b + Int(starts[0]), right: g.b + Int(starts[1]), offset: g.bOffsets.unsafelyUnwrapped)
    }
    @inline(__always) static func rowColumns(_ g: GemmBlock<T>, _ j: Int) -> PixelColumns<T.Tile> { columns(g, j) }
    @inline(__always) static func triples(_ g: GemmBlock<T>, _ j: Int) -> PixelTriples<T.Tile> {
        let starts = g.bStarts.unsafelyUnwrapped + j / T.Tile.lanes
        return PixelTriples(
            first: g.b + Int(starts[0]), second: g.b + Int(starts[1]), third: g.b + Int(starts[2]), offset: g.bOffsets.unsafelyUnwrapped)
    }
    @inline(__always) static func quads(_ g: GemmBlock<T>, _ j: Int) -> PixelQuads<T.Tile> {
        let starts = g.bStarts.unsafelyUnwrapped + j / T.Tile.lanes
        return PixelQuads(
            first: g.b + Int(starts[0]), second: g.b + Int(starts[1]), third: g.b + Int(starts[2]), fourth: g.b + Int(starts[3]),
            offset: g.bOffsets.unsafelyUnwrapped)
    }
    @inline(__always) static var readsOn: Bool { true }
}

@inline(never)
func gemmBlock<T: Real>(_ argument: UnsafePointer<snn_gemm_block>, _: T.Type) {
    let g = GemmBlock<T>(argument)
    if g.bOffsets != nil { blockTiles(g, InPlace<T>.self) } else { blockTiles(g, Panels<T>.self) }
    if g.stream { snn_stream_end() }
}

@inline(__always)
private func blockTiles<B: BlockColumns>(_ g: GemmBlock<B.T>, _: B.Type) {
    typealias T = B.T
    let nr = 2 * T.Tile.lanes
    let tiles = (g.m &+ g.height &- 1) / g.height
    let last = (tiles &- 1) &* g.height
    let wide = wideRows(g)
    var j = 0
    while j < g.n {
        let left = g.n &- j
        // Three panels are two tiles of three vectors.
        if wide > 0 && (left >= 3 &* nr || left == 3 &* T.Tile.lanes) {
            let end = min(g.n, j &+ 3 &* nr)
            var from = j
            while from < end {
                wideTiles(g, wide, from, B.self)
                from &+= 3 &* T.Tile.lanes
            }
            while j < end {
                if wide < g.m { someTiles(g, wide, g.m, j, min(nr, end &- j), tiles, B.self) }
                j &+= nr
            }
            j = end
            continue
        }
        if g.m == 1 && (B.readsOn || left >= 4 &* nr) {
            oneRow(g, j, B.self)
            j &+= 4 &* nr
            continue
        }
        // Two panels alone: six rows of four vectors.
        if wide > 0 && left > 3 &* T.Tile.lanes && left <= 2 &* nr && (g.hasEvenRows || g.height % 6 == 0) {
            let rest = g.m % 6, end = g.m &- rest
            var i = 0
            while i < end {
                fourVectors(6, g, g.a + g.rowPlace(i), i, j, B.self)
                i &+= 6
            }
            if rest == 4 {
                fourVectors(4, g, g.a + g.rowPlace(end), end, j, B.self)
            } else if rest > 0 {
                someTiles(g, end, g.m, j, nr, tiles, B.self)
                someTiles(g, end, g.m, j &+ nr, left &- nr, tiles, B.self)
            }
            j &+= 2 &* nr
            continue
        }
        // A last tile of four rows takes two panels at once where there are registers for it: its eight chains alone would wait for
        // each other.
        let paired = Level.mr > 8 && g.m &- last == 4 && left >= 2 &* nr
        let rows = paired ? last : g.m
        for _ in 0..<(paired ? 2 : 1) {
            someTiles(g, 0, rows, j, min(nr, left), tiles, B.self)
            j &+= nr
        }
        if paired { fourVectors(4, g, g.a + min((tiles &- 1) &* g.aPanel, g.aLast), rows, j &- 2 &* nr, B.self) }
    }
}

/// Rows first ..< end against one panel of B. They begin with a panel of A, or all lie in one.
@inline(__always)
private func someTiles<B: BlockColumns>(
    _ g: GemmBlock<B.T>, _ first: Int, _ end: Int, _ j: Int, _ columns: Int, _ tiles: Int, _: B.Type
) {
    var ahead = Ahead(g, j, tiles)
    var a = first == 0 ? 0 : g.rowPlace(first)
    var i = first
    while i < end {
        oneTile(g, g.a + (first == 0 ? min(a, g.aLast) : a), i, j, min(g.height, end &- i), columns, ahead, B.self)
        a &+= g.aPanel
        ahead.from += ahead.share
        i &+= g.height
    }
}

/// How many of the first rows tiles of three vectors take, eight at a time, four of which lie in one panel of A each. The others, too, begin
/// in a panel that has them all, or with one. Few rows come no faster than B does, but
/// for pixels in place, which are near. Rows of a matrix as B are as far apart as it is wide, which is no constant.
@inline(__always)
private func wideRows<T: Real>(_ g: GemmBlock<T>) -> Int {
    guard Level.hasWideTile && g.m >= (g.bOffsets != nil ? 16 : 24) && g.aLast >= (g.m &- 1) / g.height &* g.aPanel else { return 0 }
    guard g.bOffsets != nil || g.bStride == 2 &* T.Tile.lanes else { return 0 }
    let rest = g.m & 7, rows = g.m &- rest
    if g.hasEvenRows { return rows }
    guard g.height & 3 == 0 else { return 0 }
    let inside = rows % g.height
    return inside > 0 && inside &+ rest > g.height ? rows &- 8 : rows
}

/// Rows 0 ..< end, a multiple of eight, against three vectors of B.
@inline(__always)
private func wideTiles<B: BlockColumns>(_ g: GemmBlock<B.T>, _ end: Int, _ j: Int, _: B.Type) {
    typealias T = B.T
    let nr = 2 * T.Tile.lanes, columns = 3 * T.Tile.lanes
    let b = B.triples(g, j)
    // Each tile asks for its part of half of the three panels that come next: in the block or, at its end, the next part of k of the same
    // ones or, behind the last, the next panels. Or of what the caller says comes next.
    let panel = max(1, nr &* g.k), share = columns &* g.k / (end / 8)
    let asks = g.bOffsets == nil && g.bStride == nr
    let step = asks ? columns &* 8 / end : 0
    let next = j &+ 3 &* nr < g.n ? 3 &* g.bPanel : g.k &* nr &+ (g.last ? 2 &* g.bPanel : 0)
    var part = j &* g.k
    var i = 0
    while i < end {
        let c = g.c + (i &* g.ldc &+ j)
        if g.last, let residual = g.residual {
            for y in i..<(i &+ 8) {
                let line = residual + (y &* g.ldr &+ j)
                snn_prefetch_near(line)
                snn_prefetch_near(line + T.Tile.lanes)
                snn_prefetch_near(line + (columns &- 1))
            }
        }
        let rows = TileRows(g.a + g.rowPlace(i), g.a + g.rowPlace(i &+ 4), rs: g.aRow, ks: g.aStep)
        var ahead = g.b
        if let caller = g.ahead {
            ahead = caller + part
        } else if asks {
            ahead = g.b + (next &+ part / panel &* g.bPanel &+ part % panel)
        }
        runWideTile(g, rows, b, tileStart(g, i, j), c, ahead, step)
        if g.last { epilogue(g, i, j, 8, columns) }
        part &+= share
        i &+= 8
    }
}

@inline(__always)
private func runWideTile<T: Real, B: TileTriples>(
    _ g: GemmBlock<T>, _ a: TileRows<T>, _ b: B, _ start: TileStart<T>, _ c: UnsafeMutablePointer<T>, _ ahead: UnsafePointer<T>,
    _ step: Int
) where B.V == T.Tile {
    if B.ofPixels || g.hasPackedRows {
        wideTilePacked(g, a, b, start, c, ahead, step)
    } else if g.hasRowsInPlace {
        wideTileInPlace(g, a, b, start, c, ahead, step)
    } else {
        wideTile(g, a, b, start, c, ahead, step)
    }
}

@inline(never)
private func wideTileInPlace<T: Real, B: TileTriples>(
    _ g: GemmBlock<T>, _ a: TileRows<T>, _ b: B, _ start: TileStart<T>, _ c: UnsafeMutablePointer<T>, _ ahead: UnsafePointer<T>,
    _ step: Int
) where B.V == T.Tile {
    gemmWideTile(
        k: g.k, a: TileRows(a.first, a.second, rs: a.rs, ks: 1), b: b, start: start, c: c, ldc: g.ldc, accumulate: g.adds, far: g.far,
        stream: g.stream, ahead: ahead, aheadStep: step, unrolled: true, zero: T.Tile(0))
}

@inline(never)
private func wideTilePacked<T: Real, B: TileTriples>(
    _ g: GemmBlock<T>, _ a: TileRows<T>, _ b: B, _ start: TileStart<T>, _ c: UnsafeMutablePointer<T>, _ ahead: UnsafePointer<T>,
    _ step: Int
) where B.V == T.Tile {
    gemmWideTile(
        k: g.k, a: TileRows(a.first, a.second, rs: 1, ks: Level.mr), b: b, start: start, c: c, ldc: g.ldc, accumulate: g.adds, far: g.far,
        stream: g.stream, ahead: ahead, aheadStep: step, unrolled: true, zero: T.Tile(0))
}

@inline(never)
private func wideTile<T: Real, B: TileTriples>(
    _ g: GemmBlock<T>, _ a: TileRows<T>, _ b: B, _ start: TileStart<T>, _ c: UnsafeMutablePointer<T>, _ ahead: UnsafePointer<T>,
    _ step: Int
) where B.V == T.Tile {
    gemmWideTile(
        k: g.k, a: a, b: b, start: start, c: c, ldc: g.ldc, accumulate: g.adds, far: g.far, stream: g.stream, ahead: ahead,
        aheadStep: step, unrolled: false, zero: T.Tile(0))
}

/// What the tiles of a panel ask the memory for: each its part of the panel that comes next, and where they are few, and use a panel up
/// before the next one has come, what stands some way behind the numbers in hand. Of a B in place every tile asks for the same columns of
/// its rows, the next ones. Where the caller says what comes next, that.
private struct Ahead<T: Real> {
    var from: UnsafePointer<T>
    let step: Int
    /// From tile to tile.
    let share: Int

    @inline(__always) init(_ g: GemmBlock<T>, _ j: Int, _ tiles: Int) {
        let nr = 2 &* T.Tile.lanes
        let panel = g.b + (j / nr) &* g.bPanel
        if let next = g.ahead {
            from = next + j &* g.k
            step = (nr &+ tiles &- 1) / tiles
            share = g.k &* step
            return
        }
        if g.bStride != nr {
            from = j &+ nr < g.n ? panel + nr : g.b + g.k &* g.bStride
            step = g.bStride
            share = 0
            return
        }
        // Of two wide tiles the first would wait for the memory, and the second leave it idle.
        if tiles <= (Level.hasWideTile ? 1 : 2) {
            from = panel + 160 &* nr
            step = nr
        } else {
            // Behind the last panel of the block there is the next part of k of the first one or, at its end, of the last one.
            from = j &+ nr < g.n ? panel + g.bPanel : (g.last ? panel : g.b) + g.k &* nr
            step = (nr &+ tiles &- 1) / tiles
        }
        share = g.k &* step
    }
}

/// One row against eight vectors, which may be more than are left.
@inline(__always)
private func oneRow<B: BlockColumns>(_ g: GemmBlock<B.T>, _ j: Int, _: B.Type) {
    typealias T = B.T
    let nr = 2 * T.Tile.lanes
    let columns = B.readsOn ? min(4 &* nr, g.n &- j) : 4 &* nr
    let whole = columns == 4 &* nr
    let c = g.c + j
    if !whole {
        // as in oneTile
        if g.chained || g.adds { map(c, g.tile, columns) { (v: T.Vector) in v } }
        if g.first, let bias = g.columnBias { map(bias + j, g.tile, columns) { (v: T.Vector) in v } }
    }
    var start = tileStart(g, 0, j)
    if !whole, case .rows = start { start = .rows(g.tile, 0) }
    gemmRow(
        k: g.k, a: g.a, ks: g.aStep, B.rowColumns(g, j), B.rowColumns(g, j &+ nr), B.rowColumns(g, j &+ 2 &* nr),
        B.rowColumns(g, j &+ 3 &* nr), start: start, c: whole ? c : g.tile, accumulate: g.adds, zero: T.Tile(0))
    if !whole { map(g.tile, c, columns) { (v: T.Vector) in v } }
    if g.last { epilogue(g, 0, j, 1, columns) }
}

/// Rows i ..< i + 4, or 6, against four vectors.
@inline(__always)
private func fourVectors<B: BlockColumns>(
    _ rows: Int, _ g: GemmBlock<B.T>, _ a: UnsafePointer<B.T>, _ i: Int, _ j: Int, _: B.Type
) {
    typealias T = B.T
    let nr = 2 * T.Tile.lanes
    let columns = min(2 &* nr, g.n &- j)
    let c = g.c + (i &* g.ldc &+ j)
    if columns == 2 &* nr {
        runFourVectors(rows, g, a, j, tileStart(g, i, j), c, g.ldc, g.adds, g.stream, B.self)
    } else {
        let start = partialStart(g, i, j, rows, columns, 2 &* nr)
        runFourVectors(rows, g, a, j, start, g.tile, 2 &* nr, false, false, B.self)
        putPartial(g, c, rows, columns, 2 &* nr)
    }
    if g.last { epilogue(g, i, j, rows, columns) }
}

@inline(__always)
private func runFourVectors<B: BlockColumns>(
    _ rows: Int, _ g: GemmBlock<B.T>, _ a: UnsafePointer<B.T>, _ j: Int, _ start: TileStart<B.T>, _ c: UnsafeMutablePointer<B.T>,
    _ ldc: Int, _ accumulate: Bool, _ stream: Bool, _: B.Type
) {
    let nr = 2 * B.T.Tile.lanes
    if rows < 6 {
        return fourRows(g, a, B.columns(g, j), B.columns(g, j &+ nr), start, c, ldc, accumulate, stream)
    }
    let rows = TileRows(a, a + 4 &* g.aRow, rs: g.aRow, ks: g.aStep), b = B.quads(g, j)
    if B.readsOn || g.hasPackedRows {
        sixRowsPacked(g, rows, b, start, c, ldc, accumulate, stream)
    } else if g.hasRowsInPlace {
        sixRowsInPlace(g, rows, b, start, c, ldc, accumulate, stream)
    } else {
        sixRows(g, rows, b, start, c, ldc, accumulate, stream)
    }
}

@inline(never)
private func sixRowsInPlace<T: Real, B: TileQuads>(
    _ g: GemmBlock<T>, _ a: TileRows<T>, _ b: B, _ start: TileStart<T>, _ c: UnsafeMutablePointer<T>, _ ldc: Int, _ accumulate: Bool,
    _ stream: Bool
) where B.V == T.Tile {
    gemmSixRows(
        k: g.k, a: TileRows(a.first, a.second, rs: a.rs, ks: 1), b: b, start: start, c: c, ldc: ldc, accumulate: accumulate, stream: stream,
        unrolled: true, zero: T.Tile(0))
}

@inline(never)
private func sixRowsPacked<T: Real, B: TileQuads>(
    _ g: GemmBlock<T>, _ a: TileRows<T>, _ b: B, _ start: TileStart<T>, _ c: UnsafeMutablePointer<T>, _ ldc: Int, _ accumulate: Bool,
    _ stream: Bool
) where B.V == T.Tile {
    gemmSixRows(
        k: g.k, a: TileRows(a.first, a.second, rs: 1, ks: Level.mr), b: b, start: start, c: c, ldc: ldc, accumulate: accumulate,
        stream: stream, unrolled: true, zero: T.Tile(0))
}

@inline(never)
private func sixRows<T: Real, B: TileQuads>(
    _ g: GemmBlock<T>, _ a: TileRows<T>, _ b: B, _ start: TileStart<T>, _ c: UnsafeMutablePointer<T>, _ ldc: Int, _ accumulate: Bool,
    _ stream: Bool
) where B.V == T.Tile {
    gemmSixRows(
        k: g.k, a: a, b: b, start: start, c: c, ldc: ldc, accumulate: accumulate, stream: stream, unrolled: false, zero: T.Tile(0))
}

@inline(never)
private func fourRows<T: Real, B: TileColumns>(
    _ g: GemmBlock<T>, _ a: UnsafePointer<T>, _ left: B, _ right: B, _ start: TileStart<T>, _ c: UnsafeMutablePointer<T>,
    _ ldc: Int, _ accumulate: Bool, _ stream: Bool
) where B.V == T.Tile {
    gemmFourRows(
        k: g.k, a: a, rs: g.aRow, ks: g.aStep, left: left, right: right, start: start, c: c, ldc: ldc, accumulate: accumulate,
        stream: stream, zero: T.Tile(0))
}

@inline(__always)
private func tileStart<T: Real>(_ g: GemmBlock<T>, _ i: Int, _ j: Int) -> TileStart<T> {
    if g.chained { return .rows(g.c + (i &* g.ldc &+ j), g.ldc) }
    if !g.first { return .zero }
    if let bias = g.rowBias { return .splat(bias + i) }
    if let bias = g.columnBias { return .rows(bias + j, 0) }
    return .zero
}

@inline(__always)
private func oneTile<B: BlockColumns>(
    _ g: GemmBlock<B.T>, _ a: UnsafePointer<B.T>, _ i: Int, _ j: Int, _ rows: Int, _ columns: Int, _ ahead: Ahead<B.T>, _: B.Type
) {
    typealias T = B.T
    let nr = 2 * T.Tile.lanes
    let b = B.columns(g, j)
    let tile = g.tile
    let c = g.c + (i &* g.ldc &+ j)
    if g.last, let residual = g.residual {
        // The epilogue reads it when the tile is done.
        for y in i..<(i &+ rows) {
            snn_prefetch_near(residual + (y &* g.ldr &+ j))
            snn_prefetch_near(residual + (y &* g.ldr &+ j &+ columns &- 1))
        }
    }
    if columns == nr && rows & 1 == 0 {
        runTile(rows, g.k, a, g.aRow, g.aStep, b, tileStart(g, i, j), c, g.ldc, g.adds, g.far, g.stream, ahead)
    } else {
        let start = partialStart(g, i, j, rows, columns, nr)
        if columns <= T.Tile.lanes && g.bOffsets == nil {
            let b = NarrowColumns<T.Tile>(b: g.b + (j / nr) &* g.bPanel, stride: g.bStride)
            runTile(rows, g.k, a, g.aRow, g.aStep, b, start, tile, nr, false, false, false, ahead)
        } else {
            runTile(rows, g.k, a, g.aRow, g.aStep, b, start, tile, nr, false, false, false, ahead)
        }
        putPartial(g, c, rows, columns, nr)
    }
    if g.last { epilogue(g, i, j, rows, columns) }
}

/// A partial tile is computed whole in scratch memory, rows `width` apart; only its valid part is read from C, or made of a bias, ...
@inline(never)
private func partialStart<T: Real>(_ g: GemmBlock<T>, _ i: Int, _ j: Int, _ rows: Int, _ columns: Int, _ width: Int) -> TileStart<T> {
    let tile = g.tile
    if g.chained {
        let c = g.c + (i &* g.ldc &+ j)
        for y in 0..<rows { map(c + y &* g.ldc, tile + y &* width, columns) { (v: T.Vector) in v } }
    } else if g.first, let bias = g.rowBias {
        for y in 0..<rows { fill(tile + y &* width, bias[i &+ y], columns) }
    } else if g.first, let bias = g.columnBias {
        for y in 0..<rows { map(bias + j, tile + y &* width, columns) { (v: T.Vector) in v } }
    } else {
        return .zero
    }
    return .rows(tile, width)
}

/// ... and written to C.
@inline(never)
private func putPartial<T: Real>(_ g: GemmBlock<T>, _ c: UnsafeMutablePointer<T>, _ rows: Int, _ columns: Int, _ width: Int) {
    for y in 0..<rows {
        let from = g.tile + y &* width, to = c + y &* g.ldc
        if !g.adds {
            map(from, to, columns) { (v: T.Vector) in v }
        } else {
            map2(from, to, to, columns) { (v: T.Vector, sum: T.Vector) in v + sum }
        }
    }
}

/// The smallest variant of the tile with at least `rows` rows: every even number.
@inline(__always)
private func runTile<T: Real, B: TileColumns>(
    _ rows: Int, _ k: Int, _ a: UnsafePointer<T>, _ rs: Int, _ ks: Int, _ b: B, _ start: TileStart<T>, _ c: UnsafeMutablePointer<T>,
    _ ldc: Int,
    _ accumulate: Bool, _ far: Bool, _ stream: Bool, _ ahead: Ahead<T>
) where B.V == T.Tile {
    let zero = T.Tile(0)
    let at = (c: c, ldc: ldc, accumulate: accumulate, far: far, stream: stream)
    switch (rows &+ 1) / 2 {
    case 1: tile(2, k, a, rs, ks, b, start, at, ahead, zero)
    case 2 where Level.mr > 4: tile(4, k, a, rs, ks, b, start, at, ahead, zero)
    case 3 where Level.mr > 6: tile(6, k, a, rs, ks, b, start, at, ahead, zero)
    case 4 where Level.mr > 8: tile(8, k, a, rs, ks, b, start, at, ahead, zero)
    case 5 where Level.mr > 10: tile(10, k, a, rs, ks, b, start, at, ahead, zero)
    default: tile(Level.mr, k, a, rs, ks, b, start, at, ahead, zero)
    }
}

@_transparent
private func tile<T: Real, B: TileColumns>(
    _ rows: Int, _ k: Int, _ a: UnsafePointer<T>, _ rs: Int, _ ks: Int, _ b: B, _ start: TileStart<T>,
    _ at: (c: UnsafeMutablePointer<T>, ldc: Int, accumulate: Bool, far: Bool, stream: Bool), _ ahead: Ahead<T>, _ zero: T.Tile
) where B.V == T.Tile {
    gemmTile(
        rows: rows, k: k, a: a, rs: rs, ks: ks, b: b, start: start, c: at.c, ldc: at.ldc, accumulate: at.accumulate, far: at.far,
        stream: at.stream,
        ahead: ahead.from, aheadStep: ahead.step, zero: zero)
}

/// y = residual + act(v) on the part of C that was finished just now and is still in the nearest cache.
@inline(__always)
private func epilogue<T: Real>(_ g: GemmBlock<T>, _ i: Int, _ j: Int, _ rows: Int, _ columns: Int) {
    if g.activation < 0 && g.residual == nil { return }
    for y in i..<(i &+ rows) {
        let c = g.c + (y &* g.ldc &+ j)
        // The most frequent one is too short for a call.
        if g.activation == SNN_RELU {
            map(c, c, columns) { (v: T.Vector) in T.Vector.max(v, .zero) }
        } else if g.activation >= 0 {
            unary(g.activation, g.alpha, g.beta, c, c, columns, T.self)
        }
        if let residual = g.residual { map2(residual + (y &* g.ldr &+ j), c, c, columns) { (r: T.Vector, v: T.Vector) in r + v } }
    }
}
