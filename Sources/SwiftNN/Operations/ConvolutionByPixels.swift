// Convolution with the pixels as rows of the product and the filters as its columns: the tile's height comes in every even number, so that
// images of few pixels waste less of it than of vectors of pixels (49 are five tiles of 10 rows, but four vectors of 16). The result is
// transposed a block at a time, while it is in the nearest cache.
import CSwiftNN

enum PixelRows {
    /// Whether pixels as rows leave so much less of the tiles empty than pixels as columns that it pays to transpose the result, where a
    /// number costs about as much as twelve multiply-adds. Gathering what lies in place costs ten, but panels of narrow vectors, which
    /// images share, are read so much better than a large image's channels that it is no cost. Filters beyond the second cache come past 108
    /// rows at a time, but past two or three panels of columns only: with narrow vectors that is worth the transposition.
    static func suit(_ shape: ConvolutionShape, m: Int, k: Int, nr: Int, inPlace: Bool) -> Bool {
        let pixels = shape.p * shape.q
        let gathered = inPlace && (shape.n == 1 || nr > 16) ? 10 &* pixels &* k : 0
        let worth = nr <= 16 && m &* k >= 1 << 18 ? 16 : 15
        return 16 &* roundUp(pixels, 2) &* roundUp(m, nr) &* (k &+ 12) < worth &* (roundUp(m, 2) &* roundUp(pixels, nr) &* k &+ gathered)
    }

    /// Whether the image itself is the product's left side: the pixels that a filter sees for each k stand side by side. Many filters read
    /// it so often that panels, which are read in memory's order, are ahead.
    static func inPlace<T>(_ x: ArrayView<T>, _ shape: ConvolutionShape) -> Bool {
        shape.o <= 256 * shape.groups && shape.r * shape.s == 1 && !shape.isPadded && shape.p * shape.q > 1
            && (x.strides[3] == 1 || shape.w == 1)
            && (x.strides[2] == shape.w || shape.h == 1) && max(shape.stride.h, shape.stride.w) == 1
    }

    /// The rows of each tile for m of them: the most, unless a last tile of two rows, whose few chains wait for each other, can be avoided. Of
    /// tiles of three vectors, which most of the filters get, four rows have to lie in one panel.
    static func height(_ m: Int, mr: Int, wide: Bool) -> Int {
        !wide && m % mr == 2 && (m % (mr - 2) == 0 || m % (mr - 2) >= 4) ? mr - 2 : mr
    }
}

/// filters: packed panels of nr columns of each group, `packedSize` numbers. Threads: groups, blocks of pixels, counted over all images, and
/// where those are few of filters.
func convolveByPixels<T: Element>(
    _ x: ArrayView<T>, filters: UnsafePointer<T>, packedSize: Int, _ shape: ConvolutionShape, _ given: Epilogue<T>,
    _ y: UnsafeMutablePointer<T>, chainLength: Int, threads: Int
) throws(Failure) {
    let mr = Int(T.kernels.pointee.mr), nr = Int(T.kernels.pointee.nr)
    let groups = shape.groups
    let channels = shape.c / groups, m = shape.o / groups
    let k = channels * shape.r * shape.s
    let pixels = shape.p * shape.q
    let inPlace = PixelRows.inPlace(x, shape)
    // A block of pixels, of one image where they are read in place, is packed whole otherwise. All filters come past it once: the more
    // pixels, the less often they do.
    let images = inPlace ? shape.n : 1
    let count = pixels * shape.n / images
    let rowsPerTask = roundUp(ceilDivide(count, ceilDivide(count, 108)), 2)
    let perImage = ceilDivide(count, rowsPerTask), blocks = images * perImage
    let width = columnsAtOnce(rowsPerTask, least: 2 * nr, T.self)
    let splits = threads == 1 ? 1 : min(ceilDivide(m, width), ceilDivide(2 * threads, blocks * groups))
    let columnsPerTask = roundUp(ceilDivide(m, splits), width)
    let panels = inPlace ? 0 : ceilDivide(rowsPerTask, mr - 2) * mr * k
    // Blocks whose filters are split are packed once for all tasks.
    let shared = splits > 1
    let depthAtOnce = 4 * chainLength
    let windows = Windows(x, shape, block: rowsPerTask, acrossImages: true, rows: depthAtOnce)
    let perWorker = roundUp((shared ? 0 : panels) + rowsPerTask * width + mr * nr + windows.room, width)
    let scratch = try Scratch<T>((shared ? panels * groups * blocks : 0) + perWorker * threads)
    defer { scratch.release() }
    let workers = scratch.base + (shared ? panels * groups * blocks : 0)
    let runsSize = max(3 * rowsPerTask + chainLength + 8, windows.picks ? windows.seenSize(rowsPerTask) : 0)
    let runs = try Scratch<Int64>(runsSize * threads)
    defer { runs.release() }

    /// Rows of a block's tiles.
    func height(_ rows: Int) -> Int { PixelRows.height(roundUp(rows, 2), mr: mr, wide: rows >= 24 && width == 3 * nr && m >= width) }

    func pack(g: Int, first: Int, rows: Int, _ k0: Int, _ packed: UnsafeMutablePointer<T>, worker: Int) {
        let height = height(rows), end = min(k, k0 + depthAtOnce)
        if windows.picks {
            let places = runs.base + worker * runsSize
            windows.seen(first: first, count: rows, places)
            for at in stride(from: k0, to: end, by: chainLength) {
                let depth = min(chainLength, end - at)
                windows.pick(
                    group: g, places, count: rows, k0: at, k: depth, height: height, row: mr, panel: mr * depth,
                    packed + at * mr * ceilDivide(rows, height))
            }
            return
        }
        var call = windows.panels(
            group: g, first: first, count: rows, k0: k0, k: end - k0, memory: workers + ((worker + 1) * perWorker - windows.room))
        (call.width, call.row, call.runs) = (Int64(height), Int64(mr), runs.base + worker * runsSize)
        for at in stride(from: k0, to: end, by: chainLength) {
            let depth = min(chainLength, end - at)
            (call.k0, call.k, call.panel) = (Int64(at), Int64(depth), Int64(mr * depth))
            call.dst = UnsafeMutableRawPointer(packed + at * mr * ceilDivide(rows, height))
            T.kernels.pointee.im2col(&call)
        }
    }
    if shared && !inPlace {
        let parts = ceilDivide(k, depthAtOnce)
        ThreadPool.run(groups * blocks * parts, threads: threads) { task, worker in
            let block = task / parts, first = block % blocks * rowsPerTask
            pack(
                g: block / blocks, first: first, rows: min(rowsPerTask, count - first), task % parts * depthAtOnce,
                scratch.base + block * panels, worker: worker)
        }
    }
    ThreadPool.run(groups * blocks * splits, threads: threads) { task, worker in
        let own = workers + worker * perWorker
        let packed = shared ? scratch.base + task / splits * panels : own
        let c = shared ? own : own + panels
        let split = task % splits, g = task / splits / blocks
        let block = task / splits % blocks
        let start = block % perImage * rowsPerTask, first = block / perImage * count + start
        let rows = min(rowsPerTask, count - start)
        let height = height(rows)
        let tiles = ceilDivide(rows, height)
        // An odd number of rows in place: the last tile begins one row earlier, lest it reads behind the image.
        let whole = (tiles - 1) * height, odd = inPlace ? rows % 2 : 0
        let a = inPlace ? x.data + (first / pixels * x.strides[0] + g * channels * x.strides[1] + first % pixels) : UnsafePointer(packed)
        if !inPlace && !shared {
            for k0 in stride(from: 0, to: k, by: depthAtOnce) { pack(g: g, first: first, rows: rows, k0, packed, worker: worker) }
        }
        var epilogue = given
        epilogue.columnBias = given.rowBias.map { $0 + g * m }
        epilogue.rowBias = nil
        for j in stride(from: split * columnsPerTask, to: min(m, (split + 1) * columnsPerTask), by: width) {
            let columns = min(width, m - j)
            let n = first / pixels
            let result = y + ((n * shape.o + g * m + j) * pixels + first % pixels)
            var k0 = 0
            repeat {
                let depth = min(chainLength, k - k0)
                // Each chain asks for its share of the result's lines, too short for the hardware to see them coming.
                for i in (columns * k0 / max(k, 1))..<(columns * (k0 + depth) / max(k, 1)) {
                    var p = 0
                    while p < min(rows, pixels - first % pixels) {
                        snn_prefetch(result + (i * pixels + p))
                        p += 64 / MemoryLayout<T>.stride
                    }
                }
                gemmBlock(
                    m: roundUp(rows, 2), n: columns, k: depth, height: height,
                    a: inPlace ? a + k0 * x.strides[1] : a + k0 * mr * tiles, aPanel: inPlace ? height : mr * depth,
                    aStep: inPlace ? x.strides[1] : mr, aLast: inPlace ? whole - odd : .max,
                    b: filters + (g * packedSize + j * k + k0 * nr), bPanel: nr * k, c: c, ldc: width, row: 0, column: j, first: k0 == 0,
                    last: k0 + depth == k, epilogue: epilogue, tile: c + rowsPerTask * width)
                k0 += depth
            } while k0 < k
            var done = 0
            while done < rows {
                let n = (first + done) / pixels, pixel = (first + done) % pixels
                let some = min((odd > 0 && done < whole ? whole : rows) - done, pixels - pixel)
                T.kernels.pointee.transpose(
                    c + (done < whole ? done : done + odd) * width, Int64(width), y + ((n * shape.o + g * m + j) * pixels + pixel),
                    Int64(pixels), Int64(some), Int64(columns))
                done += some
            }
        }
    }
}
