// The Winograd kernels: the product against plain loops in the same order, exactly; the three transforms together against the convolution
// that they compute.
import CSwiftNN
import Testing

extension AllTests {
    @Suite struct KernelWinogradTests {
        @Test func winogradProduct() {
            products(Float.self)
            products(Double.self)
        }
        @Test func winogradTransforms() {
            transforms(Float.self)
            transforms(Double.self)
        }
        @Test func winogradOuter() {
            outers(Float.self)
            outers(Double.self)
        }
        @Test func winogradGradients() {
            gradients(Float.self)
            gradients(Double.self)
        }
        @Test func winogradLines() {
            lines(Float.self)
            lines(Double.self)
        }
        @Test func winogradTurn() {
            turns(Float.self)
            turns(Double.self)
        }
    }
}

private func products<T: Number>(_: T.Type) {
    for m in [1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 25] {
        for panels in [1, 2, 3, 5] {
            for k in [1, 15, 16, 17, 33, 127, 128, 129, 300] {
                for first in [false, true] { product(m, panels, k, first: first, T.self) }
            }
        }
    }
}

private func product<T: Number>(_ m: Int, _ panels: Int, _ k: Int, first: Bool, _: T.Type) {
    let lanes = Int(T.kernels[0].table.lanes)
    let n = panels * lanes, lda = k + 3, ldc = n + 5, rows = (m + 5) / 6 * 6, panel = k * lanes + 2
    var draw = Draw(m + n + k)
    let a = Fenced<T>(draw.numbers(rows * lda))
    let b = Fenced<T>(draw.numbers(panels * panel))
    let before: [T] = first ? [T](repeating: .nan, count: rows * ldc) : draw.numbers(rows * ldc)
    onEveryLevel("winograd_product \(m)x\(n)x\(k), first \(first)") { (kernels: Kernels<T>) in
        let c = Fenced<T>(before)
        var p = snn_winograd_product(
            m: Int64(m), n: Int64(n), k: Int64(k), a: a.pointer, lda: Int64(lda), b: b.pointer, b_panel: Int64(panel), c: c.pointer,
            ldc: Int64(ldc), first: first ? 1 : 0)
        kernels.table.winograd_product(&p)
        if !c.isIntact { report("winograd_product on \(kernels.name) wrote in front of its memory") }
        return (0..<m).flatMap { i in (0..<n).map { c[i * ldc + $0] } }
    } _: { kernels, got in
        var expected = [T]()
        for i in 0..<m {
            for j in 0..<n {
                var total = first ? nil : before[i * ldc + j]
                for block in stride(from: 0, to: k, by: 128) {
                    var sum = T(0)
                    for first in stride(from: block, to: min(k, block + 128), by: 16) {
                        var chain = T(0)
                        for x in first..<min(k, block + 128, first + 16) {
                            chain = kernels.fma(a[i * lda + x], b[j / lanes * panel + x * lanes + j % lanes], chain)
                        }
                        sum += chain
                    }
                    total = total.map { sum + $0 } ?? sum
                }
                expected.append(total ?? 0)
            }
        }
        return exactly(got, expected)
    }
}

private func outers<T: Number>(_: T.Type) {
    for m in [1, 5, 6, 7, 16] {
        for vectors in [1, 2, 3] {
            for k in [1, 15, 16, 17, 127, 128, 129, 300] {
                for first in [false, true] { outer(m, vectors, k, first, T.self) }
            }
        }
    }
}

/// C = A' B, or C + A' B, in the same order.
private func outer<T: Number>(_ m: Int, _ vectors: Int, _ k: Int, _ first: Bool, _: T.Type) {
    let n = vectors * Int(T.kernels[0].table.lanes)
    let rows = (m + 5) / 6 * 6, lda = rows + 1, ldb = n + 3, ldc = n + 5
    var draw = Draw(m + n + k)
    let a = Fenced<T>(draw.numbers(k * lda))
    let b = Fenced<T>(draw.numbers(k * ldb))
    let before: [T] = draw.numbers(rows * ldc)
    onEveryLevel("winograd_outer \(m)x\(n)x\(k) \(first)") { (kernels: Kernels<T>) in
        let c = Fenced<T>(before)
        var p = snn_winograd_outer(
            m: Int64(m), n: Int64(n), k: Int64(k), a: a.pointer, lda: Int64(lda), b: b.pointer, ldb: Int64(ldb), c: c.pointer,
            ldc: Int64(ldc), first: first ? 1 : 0)
        kernels.table.winograd_outer(&p)
        if !c.isIntact { report("winograd_outer on \(kernels.name) wrote in front of its memory") }
        return (0..<m).flatMap { i in (0..<n).map { c[i * ldc + $0] } }
    } _: { kernels, got in
        var expected = [T]()
        for i in 0..<m {
            for j in 0..<n {
                var total: T? = first ? nil : before[i * ldc + j]
                for block in stride(from: 0, to: k, by: 128) {
                    var sum = T(0)
                    for start in stride(from: block, to: min(k, block + 128), by: 16) {
                        var chain = T(0)
                        for x in start..<min(k, block + 128, start + 16) { chain = kernels.fma(a[x * lda + i], b[x * ldb + j], chain) }
                        sum += chain
                    }
                    total = total.map { sum + $0 } ?? sum
                }
                expected.append(total ?? 0)
            }
        }
        return exactly(got, expected)
    }
}

private func gradients<T: Number>(_: T.Type) {
    for channels in [1, 7, 8, 15, 16, 17, 33] {
        for tiles in [1, 2, 5] {
            for (p, q) in [(4, 4 * tiles), (3, 4 * tiles - 1), (1, 4 * tiles - 3)] { gradient(channels, tiles, p, q, T.self) }
        }
    }
}

/// One filter for each channel: dg[c] = Σ dy[c] x[c] through U = B' x B, Z = A dy A', dg = G' (Σ U . Z) G.
private func gradient<T: Number>(_ channels: Int, _ tiles: Int, _ p: Int, _ q: Int, _: T.Type) {
    let lanes = Int(T.kernels[0].table.lanes)
    let width = 4 * tiles + 2, padded = (channels + lanes - 1) / lanes * lanes
    var draw = Draw(channels + tiles + p)
    let x = Fenced<T>(draw.numbers(channels * 6 * width))
    let dy = Fenced<T>(draw.numbers(channels * p * q))
    onEveryLevel("winograd gradient of \(channels) channels, \(tiles) tiles, \(p)x\(q)") { (kernels: Kernels<T>) in
        let plane = tiles * padded + 7
        let u = Fenced<T>(35 * plane + tiles * padded, .nan), z = Fenced<T>(35 * plane + tiles * padded, .nan)
        let scratch = Fenced<T>(6 * width * lanes, .nan)
        var lines = snn_winograd_row()
        (lines.tiles, lines.channels) = (Int64(tiles), Int64(channels))
        lines.image = UnsafeMutableRawPointer(x.pointer)
        (lines.cs, lines.hs, lines.ws) = (Int64(6 * width), Int64(width), 1)
        (lines.h1, lines.w1) = (6, Int64(width))
        lines.planes = UnsafeMutableRawPointer(u.pointer)
        (lines.plane, lines.row) = (Int64(plane), Int64(padded))
        lines.activation = -1
        lines.scratch = UnsafeMutableRawPointer(scratch.pointer)
        kernels.table.winograd_input(&lines)
        lines.image = UnsafeMutableRawPointer(dy.pointer)
        (lines.cs, lines.hs) = (Int64(p * q), Int64(q))
        (lines.h1, lines.w1) = (Int64(p), Int64(q))
        lines.planes = UnsafeMutableRawPointer(z.pointer)
        kernels.table.winograd_gradient(&lines)

        // one "channel" of winograd_filter_gradient has a vector of filters here
        let products = Fenced<T>(36 * padded, .nan)
        for e in 0..<36 {
            for c in 0..<padded {
                let from = e * plane + c
                products.pointer[e * padded + c] = (0..<tiles).reduce(T(0)) { $0 + u[from + $1 * padded] * z[from + $1 * padded] }
            }
        }
        let y = Fenced<T>(channels * 9, .nan), room = Fenced<T>(9 * lanes, .nan)
        for c in stride(from: 0, to: channels, by: lanes) {
            kernels.table.winograd_filter_gradient(
                products.pointer + c, Int64(padded), 0, 1, Int64(min(lanes, channels - c)), room.pointer, y.pointer + c * 9, 9)
        }
        if !(u.isIntact && z.isIntact && scratch.isIntact && room.isIntact && y.isIntact) {
            report("winograd gradient on \(kernels.name) wrote in front of its memory")
        }
        return y.values
    } _: { _, got in
        var expected = [Double]()
        for c in 0..<channels {
            for r in 0..<3 {
                for s in 0..<3 {
                    var sum = 0.0
                    for i in 0..<p {
                        for j in 0..<q { sum += Double(dy[(c * p + i) * q + j]) * Double(x[(c * 6 + i + r) * width + j + s]) }
                    }
                    expected.append(sum)
                }
            }
        }
        let largest = expected.reduce(1) { max($0, $1.magnitude) }
        return within(got, expected, [Double](repeating: largest * 100 * Double(T.ulpOfOne), count: expected.count))
    }
}

private func turns<T: Number>(_: T.Type) {
    for channels in [1, 7, 8, 16, 17, 40] {
        for filters in [1, 8, 15, 16, 33] { turn(channels, filters, T.self) }
    }
}

/// Panels of filters to panels of channels.
private func turn<T: Number>(_ channels: Int, _ filters: Int, _: T.Type) {
    let lanes = Int(T.kernels[0].table.lanes)
    let panel = channels * lanes + 3
    var draw = Draw(channels + filters)
    let x = Fenced<T>(draw.numbers((filters + lanes - 1) / lanes * panel - 3))
    onEveryLevel("winograd_turn \(channels) of \(filters)") { (kernels: Kernels<T>) in
        let y = Fenced<T>((channels + lanes - 1) / lanes * lanes * filters, .nan)
        kernels.table.winograd_turn(x.pointer, Int64(panel), Int64(channels), Int64(filters), y.pointer)
        if !y.isIntact { report("winograd_turn on \(kernels.name) wrote in front of its memory") }
        return y.values
    } _: { _, got in
        var expected = [T]()
        for first in stride(from: 0, to: channels, by: lanes) {
            for o in 0..<filters {
                for c in first..<(first + lanes) { expected.append(c < channels ? x[o / lanes * panel + c * lanes + o % lanes] : 0) }
            }
        }
        return exactly(got, expected)
    }
}

private func transforms<T: Number>(_: T.Type) {
    for channels in [1, 7, 8, 15, 16, 17, 33] {
        for tiles in [1, 2, 3, 5] {
            // the part of the window inside the image: rows h0 ..< h1, columns w0 ..< w1
            let width = 4 * tiles + 2
            for (h0, h1, w0, w1) in [(0, 6, 0, width), (1, 6, 1, width - 1), (0, 2, 3, width), (0, 0, 0, width)] {
                for channelsLast in [false, true] { transform(channels, tiles, (h0, h1, w0, w1), channelsLast, T.self) }
            }
        }
    }
}

/// One filter for each channel: y[c] = act(bias + x[c] * g[c]) through U = B' x B, V = G g G', y = A' (U . V) A.
private func transform<T: Number>(
    _ channels: Int, _ tiles: Int, _ inside: (h0: Int, h1: Int, w0: Int, w1: Int), _ channelsLast: Bool, _: T.Type
) {
    let lanes = Int(T.kernels[0].table.lanes)
    let width = 4 * tiles + 2
    let h = inside.h1 - inside.h0, w = max(0, inside.w1 - inside.w0)
    let padded = (channels + lanes - 1) / lanes * lanes
    var draw = Draw(4 + channels + tiles)
    let image = Fenced<T>(draw.numbers(max(1, channels * h * w)))
    let (cs, hs, ws) = channelsLast ? (1, w * channels, channels) : (h * w, w, 1)
    let filters = Fenced<T>(draw.numbers(padded * 9))
    let bias = Fenced<T>(draw.numbers(channels))
    // the last outputs lie behind the end of the result
    let p = 3, q = 4 * tiles - 1
    let rows = inside.h0..<max(inside.h0, inside.h1), columns = inside.w0..<inside.w1
    onEveryLevel("winograd channels \(channels) tiles \(tiles) inside \(inside) \(channelsLast)") { (kernels: Kernels<T>) in
        let row = padded, plane = tiles * row + 7
        let planes = Fenced<T>(35 * plane + tiles * row, .nan)
        let scratch = Fenced<T>(6 * width * lanes, .nan)
        var lines = snn_winograd_row()
        lines.tiles = Int64(tiles)
        lines.channels = Int64(channels)
        lines.image = UnsafeMutableRawPointer(image.pointer)
        (lines.cs, lines.hs, lines.ws) = (Int64(cs), Int64(hs), Int64(ws))
        (lines.h0, lines.h1, lines.w0, lines.w1) = (Int64(inside.h0), Int64(inside.h1), Int64(inside.w0), Int64(inside.w1))
        lines.planes = UnsafeMutableRawPointer(planes.pointer)
        (lines.plane, lines.row) = (Int64(plane), Int64(row))
        lines.activation = -1
        lines.scratch = UnsafeMutableRawPointer(scratch.pointer)
        kernels.table.winograd_input(&lines)

        // one "channel" of winograd_filter is a vector of filters here
        let transformed = Fenced<T>(36 * padded, .nan)
        kernels.table.winograd_filter(filters.pointer, Int64(padded / lanes), transformed.pointer, Int64(padded))
        for e in 0..<36 {
            for t in 0..<tiles {
                for c in 0..<padded { planes.pointer[e * plane + t * row + c] *= transformed[e * padded + c] }
            }
        }
        let y = Fenced<T>(channels * p * q, .nan)
        lines.image = UnsafeMutableRawPointer(y.pointer)
        (lines.cs, lines.hs, lines.ws) = (Int64(p * q), Int64(q), 1)
        (lines.h0, lines.h1, lines.w0, lines.w1) = (0, Int64(p), 0, Int64(q))
        lines.bias = UnsafeRawPointer(bias.pointer)
        lines.activation = Int64(SNN_RELU)
        kernels.table.winograd_output(&lines)
        if !(planes.isIntact && scratch.isIntact && transformed.isIntact && y.isIntact) {
            report("winograd on \(kernels.name) wrote in front of its memory")
        }
        return y.values
    } _: { _, got in
        var expected = [Double]()
        for c in 0..<channels {
            for i in 0..<p {
                for j in 0..<q {
                    var sum = Double(bias[c])
                    for r in 0..<3 {
                        for s in 0..<3 where rows.contains(i + r) && columns.contains(j + s) {
                            let x = image[c * cs + (i + r - inside.h0) * hs + (j + s - inside.w0) * ws]
                            sum += Double(x) * Double(filters[(c / lanes * 9 + r * 3 + s) * lanes + c % lanes])
                        }
                    }
                    expected.append(max(0, sum))
                }
            }
        }
        let largest = expected.reduce(1) { max($0, $1.magnitude) }
        return within(got, expected, [Double](repeating: largest * 60 * Double(T.ulpOfOne), count: expected.count))
    }
}

private func lines<T: Number>(_: T.Type) {
    line(130, 12, lines: 1, 1, 2, vectors: 3, T.self)
    for channels in [1, 2, 6, 8, 9, 17] {
        for k in [1, 3, 9] {
            // a border on the left, and where the row ends: inside, with and behind the last tile
            for (left, missing) in [(0, 0), (1, 1), (3, 7), (0, 63)] {
                for lines in 1...3 {
                    line(channels, k, lines: lines, left, missing, vectors: 2, T.self)
                    line(channels, k, lines: lines, left, missing, vectors: 3, T.self)
                }
            }
        }
    }
}

/// y[o] = relu(bias[o] + sum over rows of row i with filter (o, i), whose taps are `lines` times three): some vectors of tiles of one row each. A level that takes
/// two at a time takes the middle one of three twice.
private func line<T: Number>(_ channels: Int, _ rowCount: Int, lines: Int, _ left: Int, _ missing: Int, vectors: Int, _: T.Type) {
    let lanes = Int(T.kernels[0].table.lanes), tiles = vectors * lanes, taps = 3 * lines, k = rowCount * lines
    let length = 4 * tiles + taps - 1, width = max(1, length - left - missing)
    var draw = Draw(7 + channels + k + left)
    let rows = Fenced<T>(draw.numbers(rowCount * width * 2))
    let filters: [T] = draw.numbers(channels * k * 3)
    let bias = Fenced<T>(draw.numbers(channels))
    // the last row is not there
    let isThere = { (i: Int) in rowCount == 1 || i < rowCount - 1 }
    onEveryLevel("winograd \(lines) lines, \(channels) of \(rowCount), \(left) and \(missing)") { (kernels: Kernels<T>) in
        let wide = kernels.table.nr == 2 * kernels.table.lanes
        let three = vectors == 3 && kernels.table.wide_columns > 0
        let panel = three ? 8 : wide ? 4 : min(Int(kernels.table.mr), 8), elements = wide && !three ? 3 : 1
        var transformed = [T](repeating: 0, count: (channels + panel - 1) / panel * panel * 6 * k)
        for o in 0..<channels {
            for i in 0..<k {
                let g = (0..<3).map { Double(filters[(o * k + i) * 3 + $0]) }
                let even = 2 * g[0] + g[2], even2 = 2 * g[2] + g[0], odd = 2.0.squareRoot() * g[1]
                for (j, v) in [g[0], even + odd, even - odd, even2 + odd, even2 - odd, g[2]].enumerated() {
                    let place = (o / panel * 6 + j / elements * elements) * k + i * elements + j % elements
                    transformed[place * panel + o % panel] = T(v)
                }
            }
        }
        let packed = Fenced<T>(transformed), sums = Fenced<T>((three ? 18 * 64 : 12 * panel) * lanes, .nan)
        let plane = tiles + 5
        let planes = Fenced<T>((6 * k - 1) * plane + tiles, .nan), columns = tiles + lanes
        let scratch = Fenced<T>(8 * columns + 4 * lanes, .nan)
        let offsets = Fenced<Int64>((0..<k).map { Int64($0 * 6 * plane) })
        for i in 0..<rowCount {
            var line = snn_winograd_line()
            if isThere(i) { line.x = UnsafeRawPointer(rows.pointer + i * width * 2) }
            (line.ws, line.left, line.width, line.tiles, line.lines) = (2, Int64(left), Int64(width), Int64(tiles), Int64(lines))
            line.planes = UnsafeMutableRawPointer(planes.pointer + i * lines * 6 * plane)
            line.plane = Int64(plane)
            line.scratch = UnsafeMutableRawPointer(scratch.pointer)
            kernels.table.winograd_line(&line)
        }
        let ldy = 4 * tiles + 3
        let y = Fenced<T>((channels - 1) * ldy + 4 * tiles, .nan)
        var product = snn_winograd_line_product()
        (product.channels, product.k, product.plane) = (Int64(channels), Int64(k), Int64(plane))
        product.planes = UnsafeRawPointer(planes.pointer)
        product.offsets = UnsafePointer(offsets.pointer)
        product.filters = UnsafeRawPointer(packed.pointer)
        product.bias = UnsafeRawPointer(bias.pointer)
        product.activation = Int64(SNN_RELU)
        product.y = UnsafeMutableRawPointer(y.pointer)
        product.ldy = Int64(ldy)
        product.scratch = UnsafeMutableRawPointer(sums.pointer)
        product.vectors = three ? 3 : 2
        kernels.table.winograd_line_product(&product)
        if vectors == 3 && !three {
            product.planes = UnsafeRawPointer(planes.pointer + lanes)
            product.y = UnsafeMutableRawPointer(y.pointer + 4 * lanes)
            kernels.table.winograd_line_product(&product)
        }
        if !(planes.isIntact && scratch.isIntact && sums.isIntact && y.isIntact) {
            report("winograd lines on \(kernels.name) wrote in front of its memory")
        }
        return (0..<channels).flatMap { o in (0..<(4 * tiles)).map { y[o * ldy + $0] } }
    } _: { _, got in
        var expected = [Double]()
        for o in 0..<channels {
            for x in 0..<(4 * tiles) {
                var sum = Double(bias[o])
                for i in 0..<rowCount where isThere(i) {
                    for s in 0..<taps where (left..<(left + width)).contains(x + s) {
                        sum += Double(rows[i * width * 2 + 2 * (x + s - left)]) * Double(filters[(o * rowCount + i) * taps + s])
                    }
                }
                expected.append(max(0, sum))
            }
        }
        let largest = expected.reduce(1) { max($0, $1.magnitude) }
        return within(got, expected, [Double](repeating: largest * 60 * Double(T.ulpOfOne), count: expected.count))
    }
}
