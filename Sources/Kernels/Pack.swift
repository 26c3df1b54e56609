// Packing: strided matrices and convolution windows into the panels that the GEMM tile reads.
import CSwiftNN

/// Source strides decide the way: contiguous along the panels: copies; contiguous along k: transposed in registers; else one by one.
@inline(never)
func pack<T: Real>(_ argument: UnsafePointer<snn_pack>, _: T.Type) {
    let p = argument.pointee
    let src = p.src.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let dst = p.dst.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let rs = Int(p.rs), ks = Int(p.ks), rows = Int(p.rows), depth = Int(p.k), width = Int(p.width), panel = Int(p.panel)
    if rs == 1 && width &* MemoryLayout<T>.stride % 8 == 0 { return copyPanels(src, ks, dst, depth, width, rows, panel) }
    var row = 0
    var out = dst
    while row < rows {
        let valid = min(width, rows &- row)
        let from = src + row &* rs
        if valid < width { fill(out, 0, depth &* width) }
        if ks == 1 {
            transposePanel(from, rs, out, depth, width, valid)
        } else {
            for i in 0..<valid {
                for k in 0..<depth { out[k &* width &+ i] = from[i &* rs &+ k &* ks] }
            }
        }
        row &+= width
        out += panel
    }
}

/// For each k the rows of all panels, as they lie in memory; where they share cache lines, eight k of a panel before the next one.
@inline(__always)
private func copyPanels<T: Real>(
    _ src: UnsafePointer<T>, _ ks: Int, _ dst: UnsafeMutablePointer<T>, _ depth: Int, _ width: Int, _ rows: Int, _ panel: Int
) {
    let size = MemoryLayout<T>.stride, bytes = width &* size, line = ks &* size
    let whole = rows / width
    if bytes % 64 == 0 {
        for k in 0..<depth {
            var from = UnsafeRawPointer(src + k &* ks), to = UnsafeMutableRawPointer(dst + k &* width)
            for _ in 0..<whole {
                var i = 0
                while i < bytes {
                    // lines so far apart are beyond the hardware's prefetcher
                    snn_prefetch(from + (4 &* line &+ i))
                    copyBlocks(from + i, to + i, 64, SIMD8<UInt64>.self)
                    i &+= 64
                }
                from += bytes
                to += panel &* size
            }
        }
    } else {
        let a = bytes & ~31, b = bytes & ~15
        var k = 0
        while k < depth {
            let some = min(8, depth &- k)
            for p in 0..<whole {
                var from = UnsafeRawPointer(src + (k &* ks &+ p &* width)), to = UnsafeMutableRawPointer(dst + (p &* panel &+ k &* width))
                for _ in 0..<some {
                    copyBlocks(from, to, a, SIMD4<UInt64>.self)
                    if a < b { copyBlocks(from + a, to + a, 16, SIMD2<UInt64>.self) }
                    if b < bytes { copyBlocks(from + b, to + b, 8, UInt64.self) }
                    from += line
                    to += bytes
                }
            }
            k &+= some
        }
    }
    if whole &* width < rows {
        let out = dst + whole &* panel
        fill(out, 0, depth &* width)
        copyColumns(src + whole &* width, ks, out, depth, width, rows &- whole &* width)
    }
}

@inline(__always)
private func copyBlocks<V>(_ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ bytes: Int, _: V.Type) {
    var i = 0
    while i < bytes {
        to.storeBytes(of: from.loadUnaligned(fromByteOffset: i, as: V.self), toByteOffset: i, as: V.self)
        i &+= MemoryLayout<V>.stride
    }
}

/// A panel of fewer rows than it is wide.
@inline(__always)
private func copyColumns<T: Real>(
    _ src: UnsafePointer<T>, _ ks: Int, _ dst: UnsafeMutablePointer<T>, _ depth: Int, _ width: Int, _ rows: Int
) {
    let some = 16 / MemoryLayout<T>.stride
    for k in 0..<depth {
        let from = src + k &* ks
        let to = dst + k &* width
        var i = 0
        while i &+ some <= rows {
            copyBlocks(from + i, to + i, 16, SIMD2<UInt64>.self)
            i &+= some
        }
        while i < rows {
            to[i] = from[i]
            i &+= 1
        }
    }
}

/// dst[k * width + i] = src[i * rs + k] for `rows` <= width rows.
@inline(__always)
func transposePanel<T: Real>(
    _ src: UnsafePointer<T>, _ rs: Int, _ dst: UnsafeMutablePointer<T>, _ depth: Int, _ width: Int, _ rows: Int
) {
    let block = T.transposeBlock, half = block / 2
    if rows < half || depth < block {
        for k in 0..<depth {
            for i in 0..<rows { dst[k &* width &+ i] = src[i &* rs &+ k] }
        }
        return
    }
    // A cache line of every row at a time (two blocks, but for what is left at the end): the rows of a power-of-two stride fall into few sets
    // of the cache, so that a line would be gone before its second half was asked for. The lines of so many rows are beyond the hardware's
    // prefetcher.
    let line = 2 &* block
    let ahead = 8 &* line
    var k = 0
    while k < depth {
        // Whatever does not fill a block, at the end of the columns as of the rows, is done once more with some of what stands before it.
        k = min(k, depth &- block)
        let blocks = k &+ line <= depth ? 2 : 1
        var i = 0
        while i < rows {
            if rows &- i > half && rows >= block {
                i = min(i, rows &- block)
                let from = src + (i &* rs &+ k), to = dst + (k &* width &+ i)
                for x in 0..<block { snn_prefetch_near(from + (x &* rs &+ ahead)) }
                for b in 0..<blocks { T.transpose(from + b &* block, rs, to + b &* block &* width, width) }
                i &+= block
            } else {
                i = min(i, rows &- half)
                let from = src + (i &* rs &+ k), to = dst + (k &* width &+ i)
                for x in 0..<half { snn_prefetch_near(from + (x &* rs &+ ahead)) }
                for b in 0..<blocks { T.transposeHalf(from + b &* block, rs, to + b &* block &* width, width) }
                i &+= half
            }
        }
        k &+= blocks &* block
    }
}

/// A vector of a residue at a time in all rows of the planes that the nearest cache holds: which of its lanes lie in the image is the same for
/// them. Numbers a few apart are picked out of whole vectors.
@inline(never)
func pad<T: Real>(_ argument: UnsafePointer<snn_pad>, _: T.Type) {
    typealias V = T.Vector
    let p = argument.pointee
    let src = p.src.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let dst = p.dst.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let w = Int(p.w), ws = Int(p.ws), left = Int(p.left), phases = Int(p.phases), phase = Int(p.phase), step = Int(p.step)
    let pairs = ws == 1 && phases == 2 && p.residues == 2
    let h = Int(p.h), pitch = Int(p.row)
    // Rows of one vector without gaps between them.
    let overlaps =
        !Level.masksLoads && phase <= V.lanes
        && (pitch == phase && (pairs || p.residues == 1) || pairs && pitch == 2 &* phase && step == phase)
    eachBlock(Int(p.planes), size: h &* w) { first, count in
        // Of larger planes so many rows.
        let atOnce = h &* w <= 4096 ? h : max(8, 4096 / w)
        var done = 0
        repeat {
            let some = min(atOnce, h &- done)
            let from = src + (first &* Int(p.cs) &+ done &* Int(p.hs))
            let to = dst + (first &* Int(p.plane) &+ (done == 0 ? 0 : Int(p.top) &+ done) &* pitch)
            for f in 0..<(pairs ? 1 : Int(p.residues)) {
                var j = 0
                while j < phase {
                    let column = phases &* j &+ f &- left
                    let rows = PadRows<T>(
                        from: from + column &* ws, cs: Int(p.cs), hs: Int(p.hs), h: some, to: to + (f &* step &+ j), plane: Int(p.plane),
                        row: pitch, top: done == 0 ? Int(p.top) : 0, bottom: done &+ some == h ? Int(p.bottom) : 0, planes: count,
                        n: min(V.lanes, phase &- j), overlaps: overlaps)
                    if pairs {
                        padPairs(rows, Inside.bits(column, w), step)
                    } else {
                        padColumn(rows, column, w, ws, phases)
                    }
                    j &+= V.lanes
                }
            }
            done &+= some
        } while done < h
    }
}

/// A column of n numbers, in planes with rows of zeros above and below. overlaps: what stands behind these n is written after them, so that
/// whole vectors may be, as far as the plane goes.
private struct PadRows<T: Real> {
    let from: UnsafePointer<T>, cs: Int, hs: Int, h: Int
    let to: UnsafeMutablePointer<T>, plane: Int, row: Int, top: Int, bottom: Int
    let planes: Int, n: Int, overlaps: Bool

    @inline(__always) func put(_ v: T.Vector, _ to: UnsafeMutablePointer<T>, _ end: UnsafeMutablePointer<T>) {
        if n == T.Vector.lanes || (overlaps && to + T.Vector.lanes <= end) { v.store(to) } else { v.store(to, first: n) }
    }
    /// Where plane c's column ends.
    @inline(__always) func end(_ c: Int) -> UnsafeMutablePointer<T> {
        to + (c &* plane &+ (top &+ h &+ bottom &- 1) &* row &+ n)
    }
    /// Calls copy(from, to, end) for the rows of the image.
    @inline(__always) func each(_ copy: (UnsafePointer<T>, UnsafeMutablePointer<T>, UnsafeMutablePointer<T>) -> Void) {
        for c in 0..<planes {
            var from = from + c &* cs, to = to + (c &* plane &+ top &* row)
            let end = end(c)
            for _ in 0..<h {
                copy(from, to, end)
                from += hs
                to += row
            }
        }
    }
    /// The rows above (or below) the image.
    @inline(never) func zeros(_ offset: Int, below: Bool) {
        for c in 0..<planes {
            var to = to + (c &* plane &+ offset &+ (below ? (top &+ h) &* row : 0))
            for _ in 0..<(below ? bottom : top) {
                put(.zero, to, end(c) + offset)
                to += row
            }
        }
    }
}

@inline(__always)
private func part<V: Wide>(_ from: UnsafePointer<V.Scalar>, _ bits: UInt64) -> V {
    let all: UInt64 = (1 &<< UInt64(V.lanes)) &- 1
    return !Level.masksLoads && bits & all == all ? .load(from) : .load(from, lanes: bits, 0)
}

/// Both residues modulo 2, `step` apart.
@inline(never)
private func padPairs<T: Real>(_ rows: PadRows<T>, _ bits: UInt64, _ step: Int) {
    typealias V = T.Vector
    for i in 0..<2 { rows.zeros(i &* step, below: false) }
    rows.each { from, to, end in
        // The vectors beside these come next, after those of all rows: too far for the hardware to see them coming.
        snn_prefetch(from + 2 &* V.lanes)
        snn_prefetch(from + 3 &* V.lanes)
        let (even, odd) = V.unzip(part(from, bits), part(from + V.lanes, bits &>> UInt64(V.lanes)))
        rows.put(even, to, end)
        rows.put(odd, to + step, end + step)
    }
    for i in 0..<2 { rows.zeros(i &* step, below: true) }
}

/// Columns `column`, column + phases, ... of w that are ws apart.
@inline(never)
private func padColumn<T: Real>(_ rows: PadRows<T>, _ column: Int, _ w: Int, _ ws: Int, _ phases: Int) {
    typealias V = T.Vector
    let step = phases &* ws, lanes = V.lanes
    rows.zeros(0, below: false)
    defer { rows.zeros(0, below: true) }
    if ws > 0 && (step == 1 || step <= 3 && Level.hasFMA) {
        let bits = Inside.bits(column &* ws, (w &- 1) &* ws &+ 1)
        @inline(__always) func vector(_ from: UnsafePointer<T>, _ i: Int) -> V {
            part(from + i &* lanes, bits &>> UInt64(i &* lanes))
        }
        switch step {
        case 1: rows.each { rows.put(vector($0, 0), $1, $2) }
        case 2: rows.each { rows.put(V.unzip(vector($0, 0), vector($0, 1)).even, $1, $2) }
        default: rows.each { rows.put(V.everyThird(vector($0, 0), vector($0, 1), vector($0, 2)), $1, $2) }
        }
        return
    }
    let before = min(max((phases &- 1 &- column) / phases, 0), rows.n)
    let end = max(min((w &- column &+ phases &- 1) / phases, rows.n), before)
    rows.each { from, to, planeEnd in
        if end &- before < rows.n { rows.put(.zero, to, planeEnd) }
        for i in before..<end { to[i] = from[i &* step] }
    }
}

/// The images are padded already, so that every window lies inside them. The columns are runs of pixels side by side in one panel, which are
/// found once and then copied for every (channel, r, s).
@inline(never)
func im2col<T: Real>(_ argument: UnsafePointer<snn_im2col>, _: T.Type) {
    let p = argument.pointee
    let src = p.src.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let dst = p.dst.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let runs = p.runs.unsafelyUnwrapped
    let width = Int(p.width), step = Int(p.row), nr = 2 * T.Tile.lanes
    let cs = Int(p.cs), hs = Int(p.hs), ws = Int(p.ws), s = Int(p.s), rSize = Int(p.r)
    let depth = Int(p.k), columns = Int(p.p), panel = Int(p.panel), pixels = Int(p.pixels)
    let rowStep = Int(p.stride_h) &* hs, columnStep = Int(p.stride_w) &* ws
    let rStep = Int(p.dilation_h), rowPhases = Int(p.row_phases), dilation = Int(p.dilation_w), phases = Int(p.phases), phase = Int(p.phase)
    let taps = rSize &* s
    // Rows of pixels that follow each other without a gap are one row.
    let q = Int(p.q) &* columnStep == rowStep ? pixels : Int(p.q)

    // Where each row's windows begin.
    let offsets = runs + 3 &* columns
    let places = UnsafeMutableRawPointer(offsets + depth).assumingMemoryBound(to: Int32.self)
    for i in 0..<16 { places[i] = 0 }
    var c = Int(p.k0) / taps
    var r = (Int(p.k0) % taps) / s
    var t = Int(p.k0) % s
    // Columns of residues stand apart; a tap further they are both this much further.
    let (residues, quotients) = phases > 1 ? (dilation % phases, dilation / phases) : (0, 0)
    var residue = residues &* t % phases, quotient = dilation &* t / phases
    @inline(__always) func rowOffset(_ row: Int) -> Int {
        rowPhases > 1 ? row % rowPhases &* Int(p.row_phase) &+ row / rowPhases &* hs : row &* hs
    }
    var row = rowOffset(r &* rStep)
    for k in 0..<depth {
        offsets[k] = Int64(c &* cs &+ row &+ (phases > 1 ? residue &* phase &+ quotient : t &* dilation &* ws))
        t &+= 1
        residue &+= residues
        quotient &+= quotients
        if residue >= phases && phases > 1 {
            residue &-= phases
            quotient &+= 1
        }
        if t == s {
            (t, residue, quotient) = (0, 0, 0)
            r &+= 1
            if r == rSize {
                r = 0
                c &+= 1
            }
            row = rowOffset(r &* rStep)
        }
    }

    // Pixels of one panel are gathered for all rows before the next ones: taps of a channel share cache lines. Without taps, all columns of a
    // row come before the next row, which lies a plane further, unless that is small.
    let byRuns = columnStep == 1 && (taps > 1 || pixels < 1024)
    let picks = Level.masksLoads && columnStep > 0 && rowStep >= 0 && (byRuns || columnStep == 2)
    // Runs of pixels that one copy takes for each row: (offset in the images, place in the panels, length).
    var count = 0
    var done = 0
    var image = Int(p.p0) / pixels
    var oy = Int(p.p0) % pixels / q
    var ox = Int(p.p0) % pixels % q
    /// Goes on by so many pixels of a row.
    @inline(__always) func skip(_ length: Int) {
        ox &+= length
        if ox < q { return }
        ox = 0
        oy &+= 1
        if oy &* q < pixels { return }
        oy = 0
        image &+= 1
    }
    while done < columns {
        let start = image &* Int(p.ns) &+ oy &* rowStep &+ ox &* columnStep
        let to = done / width &* panel &+ done % width
        var length = width &- done % width
        length = min(length, columns &- done)
        if picks {
            // as many as can be picked out of two vectors side by side
            var last = 0, taken = 0
            repeat {
                let place = image &* Int(p.ns) &+ oy &* rowStep &+ ox &* columnStep &- start
                if place < last || place >= 2 &* T.Vector.lanes { break }
                last = place
                places[taken] = Int32(truncatingIfNeeded: place)
                taken &+= 1
                skip(1)
            } while taken < min(length, T.Vector.lanes)
            let at = UnsafeRawPointer(places).loadUnaligned(as: SIMD16<Int32>.self)
            pickRuns(src + start, offsets, dst + to, step, depth, taken, at, last &+ 1, ahead: taps == 1 ? 8 &* cs : 0)
            done &+= taken
            continue
        }
        length = min(length, q &- ox)
        runs[3 &* count] = Int64(start)
        runs[3 &* count &+ 1] = Int64(to)
        runs[3 &* count &+ 2] = Int64(length)
        count &+= 1
        done &+= length
        skip(length)
    }

    if byRuns {
        for x in 0..<count {
            copyRuns(src + Int(runs[3 &* x]), offsets, dst + Int(runs[3 &* x &+ 1]), step, depth, Int(runs[3 &* x &+ 2]))
        }
    } else {
        for k in 0..<depth {
            let base = src + Int(offsets[k]), to = dst + k &* step
            for x in 0..<count {
                let from = base + Int(runs[3 &* x]), at = to + Int(runs[3 &* x &+ 1]), length = Int(runs[3 &* x &+ 2])
                // Without taps every row is new to the caches.
                if taps == 1 { snn_prefetch_near(from + 4 &* cs) }
                if length == nr && columnStep == 1 {
                    T.Tile.load(from).store(at)
                    T.Tile.load(from + T.Tile.lanes).store(at + T.Tile.lanes)
                } else {
                    copyRun(from, columnStep, at, length)
                }
            }
        }
    }
    let rest = columns % width
    if rest > 0 {
        let last = dst + columns / width &* panel
        for k in 0..<depth {
            for i in rest..<width { last[k &* step &+ i] = 0 }
        }
    }
}

/// to[k * step + i] = from[offsets[k] + i] for i in 0 ..< n.
@inline(__always)
private func copyRuns<T: Real>(
    _ from: UnsafePointer<T>, _ offsets: UnsafePointer<Int64>, _ to: UnsafeMutablePointer<T>, _ step: Int, _ depth: Int, _ n: Int
) {
    let bytes = n &* MemoryLayout<T>.stride
    if bytes > 64 {
        for k in 0..<depth { copyRun(from + Int(offsets[k]), 1, to + k &* step, n) }
    } else if bytes >= 32 {
        copyPairs(from, offsets, to, step, depth, bytes, SIMD4<UInt64>.self)
    } else if bytes >= 16 {
        copyPairs(from, offsets, to, step, depth, bytes, SIMD2<UInt64>.self)
    } else if bytes >= 8 {
        copyPairs(from, offsets, to, step, depth, bytes, UInt64.self)
    } else {
        for k in 0..<depth { to[k &* step] = from[Int(offsets[k])] }
    }
}

/// to[k * step + i] = from[offsets[k] + places[i]] for i in 0 ..< n; `size` numbers from there on are read, and `ahead` asked for.
@inline(__always)
private func pickRuns<T: Real>(
    _ from: UnsafePointer<T>, _ offsets: UnsafePointer<Int64>, _ to: UnsafeMutablePointer<T>, _ step: Int, _ depth: Int, _ n: Int,
    _ places: SIMD16<Int32>, _ size: Int, ahead: Int
) {
    typealias V = T.Vector
    let lanes = V.lanes
    if size <= lanes {
        for k in 0..<depth {
            let from = from + Int(offsets[k])
            let v = V.loadFirst(from, size)
            snn_prefetch_near(from + ahead)
            V.pick(v, v, places).storeFirst(to + k &* step, n)
        }
    } else {
        for k in 0..<depth {
            let from = from + Int(offsets[k])
            snn_prefetch_near(from + ahead)
            V.pick(.load(from), .loadFirst(from + lanes, size &- lanes), places).storeFirst(to + k &* step, n)
        }
    }
}

/// Pieces of one or two V, that overlap.
@inline(__always)
private func copyPairs<T: Real, V>(
    _ from: UnsafePointer<T>, _ offsets: UnsafePointer<Int64>, _ to: UnsafeMutablePointer<T>, _ step: Int, _ depth: Int, _ bytes: Int,
    _: V.Type
) {
    let second = bytes &- MemoryLayout<V>.stride
    for k in 0..<depth {
        let from = UnsafeRawPointer(from + Int(offsets[k])), to = UnsafeMutableRawPointer(to + k &* step)
        let v = from.loadUnaligned(as: V.self), w = from.loadUnaligned(fromByteOffset: second, as: V.self)
        to.storeBytes(of: v, as: V.self)
        to.storeBytes(of: w, toByteOffset: second, as: V.self)
    }
}

/// dst[k * ldd + i] = src[i * lds + k] for rows i and depth numbers k.
@inline(never)
func transpose<T: Real>(_ src: UnsafePointer<T>, _ lds: Int, _ dst: UnsafeMutablePointer<T>, _ ldd: Int, _ rows: Int, _ depth: Int) {
    transposePanel(src, lds, dst, depth, ldd, rows)
}

/// to[i] = from[i * step] for i in 0 ..< n, reading nothing beyond from[(n - 1) * step].
@inline(__always)
func copyRun<T: Real>(_ from: UnsafePointer<T>, _ step: Int, _ to: UnsafeMutablePointer<T>, _ n: Int) {
    let lanes = T.Vector.lanes
    var i = 0
    if step == 1 {
        if n >= lanes {
            while i &+ lanes <= n {
                T.Vector.load(from + i).store(to + i)
                i &+= lanes
            }
            // The rest as a vector that overlaps the last one.
            if i < n { T.Vector.load(from + (n &- lanes)).store(to + (n &- lanes)) }
            return
        }
    } else if step == 2 {
        while i &+ lanes < n {
            T.Vector.loadPairs(from + 2 &* i).even.store(to + i)
            i &+= lanes
        }
        // The rest overlaps the last vector; its pairs begin one number earlier, so as not to end one number later.
        if i > 0 {
            T.Vector.loadPairs(from + (2 &* (n &- lanes) &- 1)).odd.store(to + (n &- lanes))
            return
        }
    }
    while i < n {
        to[i] = from[i &* step]
        i &+= 1
    }
}
