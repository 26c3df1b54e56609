// gemm_block, pack, im2col and pad. They have no rounding of their own choice: the expected numbers are made by plain loops and met exactly.
import CSwiftNN
import Testing

extension AllTests {
    @Suite struct KernelGemmTests {
        @Test func gemmBlock() {
            gemmBlocks(Float.self)
            gemmBlocks(Double.self)
        }
        @Test func smallProduct() {
            smallProducts(Float.self)
            smallProducts(Double.self)
        }
        @Test func pack() {
            packs(Float.self)
            packs(Double.self)
        }
        @Test func im2col() {
            images(Float.self)
            images(Double.self)
        }
        @Test func pad() {
            borders(Float.self)
            borders(Double.self)
        }
    }
}

/// What a GEMM case does beside multiplying.
private struct GemmOptions {
    enum Bias: CaseIterable { case none, row, column }
    let bias: Bias
    let residual: Bool
    let activation: Int
    /// Numbers between the end of a row of C and the next one.
    let gap: Int
    /// k in two calls, the second continuing the first.
    let split: Bool
    /// The second of two calls goes on with the first one's chain.
    var chained = false
    /// B read by starts and offsets instead of from panels.
    var inPlace = false
    /// B read row by row where it lies.
    var rows = false

    static let all: [GemmOptions] = Bias.allCases.flatMap { bias in
        [
            GemmOptions(bias: bias, residual: false, activation: Int(SNN_NONE), gap: 0, split: false),
            GemmOptions(bias: bias, residual: true, activation: Int(SNN_NONE), gap: 5, split: true),
            GemmOptions(bias: bias, residual: false, activation: Int(SNN_RELU), gap: 1, split: false),
            GemmOptions(bias: bias, residual: true, activation: Int(SNN_GELU), gap: 3, split: false),
            GemmOptions(bias: bias, residual: false, activation: Int(SNN_NONE), gap: 2, split: true, inPlace: true),
            GemmOptions(bias: bias, residual: false, activation: Int(SNN_NONE), gap: 1, split: true, chained: true),
            GemmOptions(bias: bias, residual: true, activation: Int(SNN_RELU), gap: 0, split: true, chained: true, rows: true),
        ]
    }
}

private func gemmBlocks<T: Number>(_: T.Type) {
    // Every level's own edges, on every level: the same cases have to give the same bits.
    let widths = Set(T.kernels.flatMap { [1, $0.nr - 1, $0.nr, $0.nr + 1, 4 * $0.nr, 4 * $0.nr + 3] }).sorted()
    let heights = 1...(T.kernels.map(\.mr).max()! + 3)
    var turn = 0
    for m in heights {
        for n in widths {
            for k in [0, 1, 2, 7, 64] {
                turn += 1
                gemmCase(m, n, k, GemmOptions.all[turn % GemmOptions.all.count], T.self)
            }
        }
    }
    // Tiles of three and four vectors: heights and widths with and without what is left over, and panels of A that they cut.
    var triples: Set<Int> = []
    for kernels in T.kernels {
        let nr = kernels.nr
        triples.formUnion([3 * nr / 2, 2 * nr - 3, 2 * nr, 3 * nr, 5 * nr - 1, 6 * nr + 5, 8 * nr])
    }
    for m in [16, 19, 22, 24, 25, 28, 31, 32, 37, 41, 48, 50] {
        for n in triples.sorted() {
            for k in [0, 1, 7, 64] {
                turn += 1
                gemmCase(m, n, k, GemmOptions.all[turn % GemmOptions.all.count], T.self)
            }
        }
    }
    for options in GemmOptions.all {
        gemmCase(17, 70, 9, options, T.self)
        gemmCase(44, 200, 8, options, T.self)
        gemmCase(44, 200, 9, options, T.self)
    }
}

/// Vectors of B anywhere in memory, the last one first; those beyond the last column are NaN.
private struct Pixels<T: Number> {
    let image: Fenced<T>
    let starts, offsets: Fenced<Int64>

    /// For tiles of several rows or of a single one, which takes twice as many columns at a time.
    init(depth: Int, columns: Int, nr: Int, single: Bool, _ b: (Int, Int) -> T) {
        let lanes = nr / 2, step = single ? 4 * nr : 2 * nr
        let vectors = (columns + step - 1) / step * (step / lanes)
        var numbers = [T](repeating: .nan, count: max(1, vectors * depth * lanes))
        for j in 0..<columns {
            for k in 0..<depth { numbers[((vectors - 1 - j / lanes) * depth + depth - 1 - k) * lanes + j % lanes] = b(k, j) }
        }
        image = Fenced(numbers)
        starts = Fenced((0..<vectors).map { Int64((vectors - 1 - $0) * depth * lanes) })
        offsets = Fenced((0..<max(1, depth)).map { Int64((depth - 1 - $0) * lanes) })
    }
}

private func gemmCase<T: Number>(_ m: Int, _ n: Int, _ k: Int, _ options: GemmOptions, _: T.Type) {
    var draw = Draw(m * 1000 + n * 10 + k)
    let a: [T] = draw.numbers(m * k)
    let b: [T] = draw.numbers(k * n)
    let bias = Fenced<T>(draw.numbers(options.bias == .row ? m : n))
    let ldr = n + 2
    let residual = Fenced<T>(draw.numbers((m - 1) * ldr + n))
    let ldc = n + options.gap
    let guardValue = T(-77_777)

    onEveryLevel("gemm_block m \(m) n \(n) k \(k) \(options)") { (kernels: Kernels<T>) in
        let c = Fenced<T>((m - 1) * ldc + n, guardValue)
        let tile = Fenced<T>(kernels.mr * kernels.nr, .nan)
        let cuts = options.split && k > 1 ? [0, k / 2, k] : [0, k]
        for (from, to) in zip(cuts, cuts.dropFirst()) {
            let depth = to - from
            // panels further apart than they are long, and NaN between them
            let aPanel = kernels.mr * depth + 4
            let bPanel = kernels.nr * depth + 8
            // every other case with lower tiles, whose panels have room for as many rows
            let height = (n + k) & 1 == 0 ? kernels.mr : max(2, kernels.mr - 2)
            let tiles = (m + height - 1) / height
            let aPacked = packed(rows: tiles * kernels.mr, depth: depth, width: kernels.mr, panel: aPanel) { row, p in
                let i = row / kernels.mr * height + row % kernels.mr
                return row % kernels.mr >= height ? .nan : i < m ? a[i * k + from + p] : 0
            }
            let bPacked = packed(rows: n, depth: depth, width: kernels.nr, panel: bPanel) { b[(from + $1) * n + $0] }
            var block = snn_gemm_block()
            (block.m, block.n, block.k) = (Int64(m), Int64(n), Int64(depth))
            block.height = Int64(height)
            block.a = UnsafeRawPointer(aPacked.pointer)
            (block.a_panel, block.a_rs, block.a_ks, block.a_last) = (Int64(aPanel), 1, Int64(kernels.mr), .max)
            // half of the cases with an even number of rows, but for pixels in place: A where it lies, NaN between its rows
            let lda = k + 3
            let aRows = Fenced<T>((0..<((m - 1) * lda + k)).map { $0 % lda < k ? a[$0 / lda * k + $0 % lda] : .nan })
            if m % 2 == 0 && (m / 2 + n) % 2 == 0 && !options.inPlace {
                block.a = UnsafeRawPointer(aRows.pointer + from)
                (block.a_panel, block.a_rs, block.a_ks) = (Int64(height * lda), Int64(lda), 1)
            }
            block.b = UnsafeRawPointer(bPacked.pointer)
            block.b_panel = Int64(bPanel)
            block.b_stride = Int64(kernels.nr)
            let pixels =
                options.inPlace ? Pixels<T>(depth: depth, columns: n, nr: kernels.nr, single: m == 1) { b[(from + $0) * n + $1] } : nil
            // rows that end where their numbers do: of the last panel whole vectors are read
            let panels = (n + kernels.nr - 1) / kernels.nr * kernels.nr
            let inRows: [T] = (0..<(options.rows ? depth * panels : 0)).map {
                $0 % panels < n ? b[(from + $0 / panels) * n + $0 % panels] : .nan
            }
            let asRows = Fenced<T>(inRows + [0])
            // columns of A in place, of which tiles read an even number
            let columns: [T] = (0..<(options.rows && m % 2 == 0 ? m * depth : 0)).map { a[$0 % m * k + from + $0 / m] }
            let inColumns = Fenced<T>(columns.isEmpty ? [0] : columns)
            if options.rows && m % 2 == 0 && !options.inPlace {
                (block.a, block.a_panel, block.a_rs, block.a_ks) = (UnsafeRawPointer(inColumns.pointer), Int64(height), 1, Int64(m))
                // where the last tile begins, and no earlier
                block.a_last = Int64((tiles - 1) * height)
            }
            if options.rows {
                (block.b, block.b_panel, block.b_stride) = (UnsafeRawPointer(asRows.pointer), Int64(kernels.nr), Int64(panels))
            }
            if let pixels {
                (block.b, block.b_panel) = (UnsafeRawPointer(pixels.image.pointer), 0)
                (block.b_starts, block.b_offsets) = (UnsafePointer(pixels.starts.pointer), UnsafePointer(pixels.offsets.pointer))
            }
            block.c = UnsafeMutableRawPointer(c.pointer)
            block.ldc = Int64(ldc)
            if options.bias == .row { block.row_bias = UnsafeRawPointer(bias.pointer) }
            if options.bias == .column { block.col_bias = UnsafeRawPointer(bias.pointer) }
            if options.residual { block.residual = UnsafeRawPointer(residual.pointer) }
            block.ldr = Int64(ldr)
            block.activation = Int64(options.activation)
            block.first = from == 0 ? 1 : 0
            block.last = to == k ? 1 : 0
            block.far = Int64(m & 1)
            // Asked for and never read: an address where nothing lies will do.
            if n & 1 == 1 { block.ahead = UnsafeRawPointer(bitPattern: 1 << 40) }
            block.chained = options.chained && from > 0 ? 1 : 0
            block.tile = UnsafeMutableRawPointer(tile.pointer)
            kernels.table.gemm_block(&block)
            if !aPacked.isIntact || !aRows.isIntact || !bPacked.isIntact || pixels?.image.isIntact == false {
                report("gemm_block \(kernels.name) wrote to its inputs")
            }
        }
        if !c.isIntact || !tile.isIntact { report("gemm_block m \(m) n \(n) k \(k) \(kernels.name) wrote in front of its memory") }
        return c.values
    } _: { kernels, c in
        var expected = [T](repeating: guardValue, count: c.count)
        for i in 0..<m {
            var row = [T](repeating: 0, count: n)
            for j in 0..<n {
                var sum: T = options.bias == .row ? bias[i] : options.bias == .column ? bias[j] : 0
                let cut = options.split && !options.chained && k > 1 ? k / 2 : k
                for p in 0..<cut { sum = kernels.fma(a[i * k + p], b[p * n + j], sum) }
                if cut < k {
                    var second: T = 0
                    for p in cut..<k { second = kernels.fma(a[i * k + p], b[p * n + j], second) }
                    sum = second + sum
                }
                row[j] = sum
            }
            if options.activation >= 0 {
                row.withUnsafeMutableBufferPointer {
                    kernels.table.unary(Int64(options.activation), 0, 0, $0.baseAddress!, $0.baseAddress!, Int64(n))
                }
            }
            for j in 0..<n { expected[i * ldc + j] = options.residual ? residual[i * ldr + j] + row[j] : row[j] }
        }
        return exactly(c, expected)
    }
}

private func smallProducts<T: Number>(_: T.Type) {
    for (m, n) in [(1, 1), (1, 7), (1, 8), (2, 9), (4, 16), (3, 19)] {
        for k in [0, 1, 5, 32] {
            // rows of B as a weight lies, as columns, backwards
            for (rs, ks) in [(k, 1), (1, n + 2), (-k - 1, 1)] {
                for biased in [false, true] { smallProductCase(m, n, k, rs, ks, biased, T.self) }
            }
        }
    }
}

private func smallProductCase<T: Number>(_ m: Int, _ n: Int, _ k: Int, _ rs: Int, _ ks: Int, _ biased: Bool, _: T.Type) {
    var draw = Draw(m * 1000 + n * 10 + k)
    let lowest = min(0, (n - 1) * rs)
    let a = Fenced<T>(draw.numbers(m * (2 * k + 1)))
    let b = Fenced<T>(draw.numbers(max(0, (n - 1) * rs) + max(k - 1, 0) * ks - lowest + 1))
    let bias = Fenced<T>(draw.numbers(n))
    let ldc = n + 3
    let guardValue = T(-77_777)
    onEveryLevel("small_product m \(m) n \(n) k \(k) rs \(rs) ks \(ks) bias \(biased)") { (kernels: Kernels<T>) in
        let c = Fenced<T>((m - 1) * ldc + n, guardValue)
        var p = snn_small_product(
            m: Int64(m), n: Int64(n), k: Int64(k), a: a.pointer, a_rs: Int64(2 * k + 1), a_ks: 2, b: b.pointer - lowest, b_rs: Int64(rs),
            b_ks: Int64(ks), col_bias: biased ? UnsafeRawPointer(bias.pointer) : nil, c: c.pointer, ldc: Int64(ldc))
        kernels.table.small_product(&p)
        if !c.isIntact || !a.isIntact || !b.isIntact { report("small_product \(kernels.name) wrote beside its result") }
        return c.values
    } _: { kernels, c in
        var expected = [T](repeating: guardValue, count: c.count)
        for i in 0..<m {
            for j in 0..<n {
                var sum: T = biased ? bias[j] : 0
                for p in 0..<k { sum = kernels.fma(a[i * (2 * k + 1) + 2 * p], b[j * rs + p * ks - lowest], sum) }
                expected[i * ldc + j] = sum
            }
        }
        return exactly(c, expected)
    }
}

/// Panels as kernels.h describes them, made one by one; zero for rows that are not there, NaN between panels.
private func packed<T: Number>(rows: Int, depth: Int, width: Int, panel: Int, _ at: (Int, Int) -> T) -> Fenced<T> {
    let panels = (rows + width - 1) / width
    var out = [T](repeating: .nan, count: max(0, (panels - 1) * panel + width * depth))
    for p in 0..<panels {
        for k in 0..<depth {
            for i in 0..<width { out[p * panel + k * width + i] = p * width + i < rows ? at(p * width + i, k) : 0 }
        }
    }
    return Fenced(out)
}

private func packs<T: Number>(_: T.Type) {
    // The tiles', and others, as attention turns its rows with.
    let widths = Set(T.kernels.flatMap { [$0.mr, $0.nr] } + [7, 40]).sorted()
    for width in widths {
        for rows in Set([1, 2, 3, 5, 9, 11, width - 1, width, width + 1, 3 * width, 3 * width + 2]).sorted() where rows > 0 {
            for depth in [0, 1, 3, 4, 7, 8, 9, 17, 32] {
                // contiguous along the panel, along k, neither, backwards, all rows the same
                let strides: [(rs: Int, ks: Int)] = [
                    (1, rows), (1, rows + 3), (depth, 1), (depth + 5, 1), (2, 2 * rows), (-1, rows), (0, 1),
                ]
                for (rs, ks) in strides { packCase(width, rows, depth, rs, ks, T.self) }
            }
        }
    }
}

private func packCase<T: Number>(_ width: Int, _ rows: Int, _ depth: Int, _ rs: Int, _ ks: Int, _: T.Type) {
    let last = (rows - 1) * rs, deepest = max(depth - 1, 0) * ks
    let lowest = min(0, last) + min(0, deepest)
    let count = depth == 0 ? 0 : max(0, last) + max(0, deepest) - lowest + 1
    var draw = Draw(width + rows + depth)
    let source = Fenced<T>(draw.numbers(count))
    let panel = width * depth + 3
    let expected = packed(rows: rows, depth: depth, width: width, panel: panel) { source[$0 * rs + $1 * ks - lowest] }
    onEveryLevel("pack width \(width) rows \(rows) k \(depth) rs \(rs) ks \(ks)") { (kernels: Kernels<T>) in
        let out = Fenced<T>(expected.count, .nan)
        var p = snn_pack(
            src: source.pointer - lowest, rs: Int64(rs), ks: Int64(ks), rows: Int64(rows), k: Int64(depth), width: Int64(width),
            dst: out.pointer, panel: Int64(panel))
        kernels.table.pack(&p)
        if !out.isIntact { report("pack \(kernels.name) wrote in front of its memory") }
        return out.values
    } _: { _, out in
        exactly(out, expected.values)
    }
}

private struct Window {
    let c, r, s: Int
    let stride, dilation: (h: Int, w: Int)
    let h, w: Int
    /// Distance of the elements of a row.
    let ws: Int
    /// Columns of each residue modulo the stride stand together (ws 1).
    var phased = false
    let n = 2
    var p: Int { (h - dilation.h * (r - 1) - 1) / stride.h + 1 }
    var q: Int { (w - dilation.w * (s - 1) - 1) / stride.w + 1 }
}

private func images<T: Number>(_: T.Type) {
    var windows: [Window] = []
    for (r, s) in [(1, 1), (3, 3), (2, 5)] {
        for stride in [(h: 1, w: 1), (h: 2, w: 2), (h: 1, w: 3)] {
            for dilation in [(h: 1, w: 1), (h: 2, w: 3)] {
                for (w, ws) in [(17, 1), (40, 1), (75, 1), (23, 2), (16, -1)] {
                    windows.append(Window(c: 3, r: r, s: s, stride: stride, dilation: dilation, h: 9, w: w, ws: ws))
                }
                if stride.w > 1 {
                    for w in [17, 18, 40, 75] {
                        windows.append(Window(c: 3, r: r, s: s, stride: stride, dilation: dilation, h: 9, w: w, ws: 1, phased: true))
                    }
                }
            }
        }
    }
    for window in windows {
        let depth = window.c * window.r * window.s
        let pixels = window.n * window.p * window.q
        // the whole, and blocks that begin inside of a filter and of a row of pixels
        var blocks = [(k0: 0, k: depth, p0: 0, p: pixels)]
        if depth > 4 { blocks.append((k0: 2, k: depth - 3, p0: pixels / 3, p: pixels - pixels / 3)) }
        if pixels > 8 { blocks.append((k0: depth / 2, k: depth - depth / 2, p0: 5, p: min(7, pixels - 5))) }
        for block in blocks { imageCase(window, block, T.self) }
    }
}

private func borders<T: Number>(_: T.Type) {
    for (h, w) in [(1, 1), (2, 5), (3, 14), (2, 16), (3, 33), (2, 71)] {
        for phases in [1, 2, 3] {
            for (top, bottom, left, right) in [(0, 0, 0, 0), (1, 0, 2, 0), (2, 1, 1, 3), (0, 1, 40, 1)] {
                for ws in [1, 2, -1] { padCase(h, w, phases, (top, bottom, left, right), ws, T.self) }
            }
        }
    }
}

private func padCase<T: Number>(
    _ h: Int, _ w: Int, _ phases: Int, _ border: (top: Int, bottom: Int, left: Int, right: Int), _ ws: Int, _: T.Type
) {
    // Some residues and some of their numbers are left out.
    let planes = h % 2 + 1, residues = border.right > 0 ? phases : max(1, phases - 1)
    let phase = max(1, (border.left + w + border.right + phases - 1) / phases - border.top % 2)
    let step = phase + 1, row = residues * step + 1, rows = border.top + h + border.bottom, plane = rows * row + 2
    let hs = w * abs(ws) + 1, cs = h * hs + 1, start = ws < 0 ? (w - 1) * -ws : 0
    var draw = Draw(h * 100 + w)
    let image = Fenced<T>(draw.numbers((planes - 1) * cs + (h - 1) * hs + (w - 1) * abs(ws) + 1))
    var expected = [T](repeating: 7, count: (planes - 1) * plane + (rows - 1) * row + (residues - 1) * step + phase)
    for c in 0..<planes {
        for i in 0..<rows {
            for f in 0..<residues {
                for j in 0..<phase {
                    let y = i - border.top, x = j * phases + f - border.left
                    let inside = y >= 0 && y < h && x >= 0 && x < w
                    expected[c * plane + i * row + f * step + j] = inside ? image[start + c * cs + y * hs + x * ws] : 0
                }
            }
        }
    }
    onEveryLevel("pad \(h) x \(w) phases \(phases) \(border) ws \(ws)") { (kernels: Kernels<T>) in
        let out = Fenced<T>(expected.count, 7)
        var p = snn_pad(
            src: image.pointer + start, cs: Int64(cs), hs: Int64(hs), ws: Int64(ws), planes: Int64(planes), h: Int64(h), w: Int64(w),
            top: Int64(border.top), bottom: Int64(border.bottom), left: Int64(border.left), phases: Int64(phases),
            residues: Int64(residues), phase: Int64(phase), dst: out.pointer, plane: Int64(plane), row: Int64(row), step: Int64(step))
        kernels.table.pad(&p)
        if !out.isIntact { report("pad \(kernels.name) wrote in front of its memory") }
        return out.values
    } _: { _, out in
        exactly(out, expected)
    }
}

private func imageCase<T: Number>(_ window: Window, _ block: (k0: Int, k: Int, p0: Int, p: Int), _: T.Type) {
    let phases = window.phased ? window.stride.w : 1
    let phase = (window.w + phases - 1) / phases
    let hs = phases * phase * abs(window.ws), cs = window.h * hs + 1, ns = window.c * cs + 2
    let width = window.phased ? hs : (window.w - 1) * abs(window.ws) + 1
    let count = (window.n - 1) * ns + (window.c - 1) * cs + (window.h - 1) * hs + width
    var draw = Draw(window.w)
    let image = Fenced<T>(draw.numbers(count))
    let start = window.ws < 0 ? (window.w - 1) * -window.ws : 0
    onEveryLevel("im2col \(window) \(block)") { (kernels: Kernels<T>) in
        // panels as wide as the tile's columns, or of pixels as rows
        let width = block.k & 1 == 0 ? kernels.nr : max(2, kernels.mr - 2)
        let panel = width * block.k + 2
        let size = ((block.p + width - 1) / width - 1) * panel + width * block.k
        let out = Fenced<T>(size, .nan)
        let runs = Fenced<Int64>(3 * block.p + block.k + 8, -1)
        var p = snn_im2col()
        p.src = UnsafeRawPointer(image.pointer + start)
        (p.ns, p.cs, p.hs, p.ws) = (Int64(ns), Int64(cs), Int64(hs), Int64(window.ws))
        (p.phases, p.phase, p.pixels) = (Int64(phases), Int64(phase), Int64(window.p * window.q))
        (p.r, p.s, p.q) = (Int64(window.r), Int64(window.s), Int64(window.q))
        (p.stride_h, p.stride_w) = (Int64(window.stride.h), Int64(window.phased ? 1 : window.stride.w))
        (p.dilation_h, p.dilation_w) = (Int64(window.dilation.h), Int64(window.dilation.w))
        (p.k0, p.k, p.p0, p.p) = (Int64(block.k0), Int64(block.k), Int64(block.p0), Int64(block.p))
        p.dst = UnsafeMutableRawPointer(out.pointer)
        (p.width, p.row, p.panel) = (Int64(width), Int64(width), Int64(panel))
        p.runs = runs.pointer
        kernels.table.im2col(&p)
        if !out.isIntact || !runs.isIntact { report("im2col \(kernels.name) wrote in front of its memory") }
        let expected = packed(rows: block.p, depth: block.k, width: width, panel: panel) { column, row in
            let k = block.k0 + row
            let (n, pixel) = (block.p0 + column).quotientAndRemainder(dividingBy: window.p * window.q)
            let c = k / (window.r * window.s), r = k / window.s % window.r, s = k % window.s
            let y = pixel / window.q * window.stride.h + r * window.dilation.h
            let x = pixel % window.q * window.stride.w + s * window.dilation.w
            let place = window.phased ? x % phases * phase + x / phases : x * window.ws
            return image[start + n * ns + c * cs + y * hs + place]
        }
        if let wrong = exactly(out.values, expected.values) {
            report("im2col \(window) \(block) \(T.label) on \(kernels.name): \(wrong)")
        }
        // the width is the level's own: levels are not comparable
        return []
    } _: { _, _ in
        nil
    }
}
