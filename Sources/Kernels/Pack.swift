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

/// The images are padded already, so that every window lies inside them. The columns are runs of pixels side by side in one panel; runs are
/// found once and then copied for every (channel, r, s): all columns of a row before the next row, which lies a plane further.
@inline(never)
func im2col<T: Real>(_ argument: UnsafePointer<snn_im2col>, _: T.Type) {
    let p = argument.pointee
    let src = p.src.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let dst = p.dst.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let runs = p.runs.unsafelyUnwrapped
    let nr = 2 * T.Tile.lanes
    let cs = Int(p.cs), hs = Int(p.hs), ws = Int(p.ws), s = Int(p.s), rSize = Int(p.r)
    let depth = Int(p.k), columns = Int(p.p), panel = Int(p.panel), pixels = Int(p.pixels)
    let rowStep = Int(p.stride_h) &* hs, columnStep = Int(p.stride_w) &* ws
    let rStep = Int(p.dilation_h) &* hs, dilation = Int(p.dilation_w), phases = Int(p.phases), phase = Int(p.phase)
    let taps = rSize &* s
    // Rows of pixels that follow each other without a gap are one row.
    let q = Int(p.q) &* columnStep == rowStep ? pixels : Int(p.q)

    // runs: (offset in the images, place in the panels, length)
    var count = 0
    var done = 0
    var image = Int(p.p0) / pixels
    var oy = Int(p.p0) % pixels / q
    var ox = Int(p.p0) % pixels % q
    while done < columns {
        let length = min(min(columns &- done, q &- ox), nr &- done % nr)
        runs[3 &* count] = Int64(image &* Int(p.ns) &+ oy &* rowStep &+ ox &* columnStep)
        runs[3 &* count &+ 1] = Int64(done / nr &* panel &+ done % nr)
        runs[3 &* count &+ 2] = Int64(length)
        count &+= 1
        done &+= length
        ox &+= length
        if ox == q {
            ox = 0
            oy &+= 1
            if oy &* q == pixels {
                oy = 0
                image &+= 1
            }
        }
    }
    let rest = columns % nr
    var c = Int(p.k0) / taps
    var r = (Int(p.k0) % taps) / s
    var t = Int(p.k0) % s
    for k in 0..<depth {
        let column = t &* dilation
        let base = src + (c &* cs &+ r &* rStep &+ (phases > 1 ? column % phases &* phase &+ column / phases : column &* ws))
        let to = dst + k &* nr
        if columnStep == 1 {
            for x in 0..<count {
                let from = base + Int(runs[3 &* x]), at = to + Int(runs[3 &* x &+ 1]), length = Int(runs[3 &* x &+ 2])
                // Without taps every row is new to the caches.
                if taps == 1 { snn_prefetch_near(from + 4 &* cs) }
                if length == nr {
                    T.Tile.load(from).store(at)
                    T.Tile.load(from + T.Tile.lanes).store(at + T.Tile.lanes)
                } else {
                    copyRun(from, 1, at, length)
                }
            }
        } else {
            for x in 0..<count {
                copyRun(base + Int(runs[3 &* x]), columnStep, to + Int(runs[3 &* x &+ 1]), Int(runs[3 &* x &+ 2]))
            }
        }
        if rest > 0 {
            let last = to + columns / nr &* panel
            for i in rest..<nr { last[i] = 0 }
        }
        t &+= 1
        if t == s {
            t = 0
            r &+= 1
            if r == rSize {
                r = 0
                c &+= 1
            }
        }
    }
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
