// Convolution with the pixels as rows of the product and the filters as its columns: the tile's height comes in every even number, so that
// images of few pixels waste less of it than of vectors of pixels (49 are five tiles of 10 rows, but four vectors of 16). The result is
// transposed a block at a time, while it is in the nearest cache.
import CSwiftNN

enum PixelRows {
    /// Whether pixels as rows leave so much less of the tiles empty than pixels as columns that it pays to transpose the result, where a
    /// number costs about as much as twelve multiply-adds.
    static func suit(_ shape: ConvolutionShape, m: Int, k: Int, nr: Int) -> Bool {
        let pixels = shape.p * shape.q
        return 16 &* roundUp(pixels, 2) &* roundUp(m, nr) &* (k &+ 12) < 15 &* roundUp(m, 2) &* roundUp(pixels, nr) &* k
    }

    /// The rows of each tile for m of them: the most, unless a last tile of two rows, whose few chains wait for each other, can be avoided.
    static func height(_ m: Int, mr: Int) -> Int {
        m % mr == 2 && (m % (mr - 2) == 0 || m % (mr - 2) >= 4) ? mr - 2 : mr
    }
}

/// filters: packed panels of nr columns of each group, `packedSize` numbers. Threads: groups, blocks of pixels, counted over all images, and
/// where those are few of filters.
func convolveByPixels<T: Element>(
    _ x: ArrayView<T>, filters: UnsafePointer<T>, packedSize: Int, _ shape: ConvolutionShape, _ whole: Epilogue<T>,
    _ y: UnsafeMutablePointer<T>, copied: Bool, chainLength: Int, threads: Int
) throws(Failure) {
    let mr = Int(T.kernels.pointee.mr), nr = Int(T.kernels.pointee.nr)
    let groups = shape.groups
    let channels = shape.c / groups, m = shape.o / groups
    let k = channels * shape.r * shape.s
    let pixels = shape.p * shape.q, count = pixels * shape.n
    // A block of pixels is packed whole, and all filters come past it once: the more pixels, the less often they do.
    let rowsPerTask = roundUp(ceilDivide(count, ceilDivide(count, 108)), 2)
    let blocks = ceilDivide(count, rowsPerTask)
    let splits = threads == 1 ? 1 : min(ceilDivide(m, 2 * nr), ceilDivide(2 * threads, blocks * groups))
    let columnsPerTask = roundUp(ceilDivide(m, splits), 2 * nr)
    let image = copied ? shape.c * shape.paddedH * shape.phases * shape.phase : 0
    let panels = ceilDivide(rowsPerTask, mr - 2) * mr * k
    let perWorker = roundUp(panels + rowsPerTask * 2 * nr + mr * nr, 2 * nr)
    let scratch = try Scratch<T>(image * shape.n + perWorker * threads)
    defer { scratch.release() }
    let runsSize = 3 * rowsPerTask + chainLength
    let runs = try Scratch<Int64>(runsSize * threads)
    defer { runs.release() }
    let source = copied ? padImages(x, shape, scratch.base, threads: threads) : x
    ThreadPool.run(groups * blocks * splits, threads: threads) { task, worker in
        let a = scratch.base + (image * shape.n + worker * perWorker)
        let c = a + panels
        let split = task % splits, g = task / splits / blocks
        let first = task / splits % blocks * rowsPerTask
        let rows = min(rowsPerTask, count - first)
        let height = PixelRows.height(roundUp(rows, 2), mr: mr)
        let tiles = ceilDivide(rows, height)
        for k0 in stride(from: 0, to: k, by: chainLength) {
            let depth = min(chainLength, k - k0)
            var window = snn_im2col(
                src: source.data + g * channels * source.strides[1], ns: Int64(source.strides[0]), cs: Int64(source.strides[1]),
                hs: Int64(source.strides[2]), ws: Int64(source.strides[3]), r: Int64(shape.r), s: Int64(shape.s),
                stride_h: Int64(shape.stride.h), stride_w: 1, dilation_h: Int64(shape.dilation.h), dilation_w: Int64(shape.dilation.w),
                phases: Int64(shape.phases), phase: Int64(shape.phase), q: Int64(shape.q), pixels: Int64(pixels), k0: Int64(k0),
                k: Int64(depth), p0: Int64(first), p: Int64(rows), dst: a + k0 * mr * tiles, width: Int64(height), row: Int64(mr),
                panel: Int64(mr * depth), runs: runs.base + worker * runsSize)
            T.kernels.pointee.im2col(&window)
        }
        var epilogue = whole
        epilogue.columnBias = whole.rowBias.map { $0 + g * m }
        epilogue.rowBias = nil
        for j in stride(from: split * columnsPerTask, to: min(m, (split + 1) * columnsPerTask), by: 2 * nr) {
            let columns = min(2 * nr, m - j)
            let n = first / pixels
            let result = y + ((n * shape.o + g * m + j) * pixels + first % pixels)
            var k0 = 0
            repeat {
                let depth = min(chainLength, k - k0)
                // Each chain asks for its share of the result's lines, too short for the hardware to see them coming.
                for i in (columns * k0 / max(k, 1))..<(columns * (k0 + depth) / max(k, 1)) {
                    for p in stride(from: 0, to: min(rows, pixels - first % pixels), by: 64 / MemoryLayout<T>.stride) {
                        snn_prefetch(result + (i * pixels + p))
                    }
                }
                gemmBlock(
                    m: roundUp(rows, 2), n: columns, k: depth, height: height, a: a + k0 * mr * tiles, aPanel: mr * depth,
                    b: filters + (g * packedSize + j * k + k0 * nr), bPanel: nr * k, c: c, ldc: 2 * nr, row: 0, column: j, first: k0 == 0,
                    last: k0 + depth == k, epilogue: epilogue, tile: c + rowsPerTask * 2 * nr)
                k0 += depth
            } while k0 < k
            var done = 0
            while done < rows {
                let n = (first + done) / pixels, pixel = (first + done) % pixels
                let some = min(rows - done, pixels - pixel)
                T.kernels.pointee.transpose(
                    c + done * 2 * nr, Int64(2 * nr), y + ((n * shape.o + g * m + j) * pixels + pixel), Int64(pixels), Int64(some),
                    Int64(columns))
                done += some
            }
        }
    }
}
