// Packing: strided matrices and convolution windows into the panels that the GEMM tile reads.
import CSwiftNN

/// Source strides decide the way: contiguous along the panels: copies; contiguous along k: transposed in registers; else one by one.
@inline(never)
func pack<T: Real>(_ argument: UnsafePointer<snn_pack>, _: T.Type) {
    let p = argument.pointee
    let src = p.src.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let dst = p.dst.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let rs = Int(p.rs), ks = Int(p.ks), rows = Int(p.rows), depth = Int(p.k), width = Int(p.width), panel = Int(p.panel)
    if rs == 1 && width % T.Tile.lanes == 0 { return copyWidePanels(src, ks, dst, depth, width, rows, panel) }
    var row = 0
    var out = dst
    while row < rows {
        let valid = min(width, rows &- row)
        let from = src + row &* rs
        if valid < width { fill(out, 0, depth &* width) }
        if rs == 1 {
            copyPanel(from, ks, out, depth, width, valid)
        } else if ks == 1 {
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

/// Panels as wide as whole vectors, whose lines no two k share: for each k the rows of all panels, as they lie in memory.
@inline(__always)
private func copyWidePanels<T: Real>(
    _ src: UnsafePointer<T>, _ ks: Int, _ dst: UnsafeMutablePointer<T>, _ depth: Int, _ width: Int, _ rows: Int, _ panel: Int
) {
    let w = T.Tile.lanes
    let whole = rows / width &* width
    for k in 0..<depth {
        let from = src + k &* ks
        var to = dst + k &* width
        var row = 0
        // lines so far apart are beyond the hardware's prefetcher
        let ahead = from + 4 &* ks
        while row < whole {
            for i in 0..<(width / w) {
                let at = row &+ i &* w
                snn_prefetch(ahead + at)
                T.Tile.load(from + at).store(to + i &* w)
            }
            row &+= width
            to += panel
        }
    }
    if whole < rows {
        let out = dst + rows / width &* panel
        fill(out, 0, depth &* width)
        copyPanel(src + whole, ks, out, depth, width, rows &- whole)
    }
}

@inline(__always)
private func copyPanel<T: Real>(
    _ src: UnsafePointer<T>, _ ks: Int, _ dst: UnsafeMutablePointer<T>, _ depth: Int, _ width: Int, _ rows: Int
) {
    let w = T.Tile.lanes
    let some = 16 / MemoryLayout<T>.stride
    for k in 0..<depth {
        let from = src + k &* ks
        let to = dst + k &* width
        var i = 0
        while i &+ w <= rows {
            T.Tile.load(from + i).store(to + i)
            i &+= w
        }
        while i &+ some <= rows {
            UnsafeMutableRawPointer(to + i).storeBytes(
                of: UnsafeRawPointer(from + i).loadUnaligned(as: SIMD2<UInt64>.self), as: SIMD2<UInt64>.self)
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
    let block = T.transposeBlock
    // A cache line of every row at a time (two blocks): the rows of a power-of-two stride fall into few sets of the cache, so that a line
    // would be gone before its second half was asked for. The lines of so many rows are beyond the hardware's prefetcher.
    let line = 2 &* block
    let ahead = 8 &* line
    var k = 0
    while k &+ line <= depth {
        var i = 0
        while i &+ block <= rows {
            let from = src + (i &* rs &+ k)
            for x in 0..<block { snn_prefetch(from + (x &* rs &+ ahead)) }
            T.transpose(from, rs, dst + (k &* width &+ i), width)
            T.transpose(from + block, rs, dst + ((k &+ block) &* width &+ i), width)
            i &+= block
        }
        if i < rows && rows >= block {
            // The last rows once more with some of those before them.
            let from = src + ((rows &- block) &* rs &+ k)
            T.transpose(from, rs, dst + (k &* width &+ rows &- block), width)
            T.transpose(from + block, rs, dst + ((k &+ block) &* width &+ rows &- block), width)
            i = rows
        }
        while i < rows {
            for x in 0..<line { dst[(k &+ x) &* width &+ i] = src[i &* rs &+ k &+ x] }
            i &+= 1
        }
        k &+= line
    }
    while k < depth {
        for i in 0..<rows { dst[k &* width &+ i] = src[i &* rs &+ k] }
        k &+= 1
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
