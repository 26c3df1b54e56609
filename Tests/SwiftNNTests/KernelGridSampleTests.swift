// The entries that look images up at the places of a grid, against plain loops in Double.
import CSwiftNN
import Foundation
import Testing

private let room = Int(SNN_SIGHTS)

extension AllTests {
    @Suite struct KernelGridSampleTests {
        @Test func look() {
            for mode in [SNN_NEAREST, SNN_BILINEAR, SNN_BICUBIC] {
                for padding in [SNN_PAD_CONSTANT, SNN_PAD_REFLECT, SNN_PAD_REPLICATE] {
                    for corners in [false, true] {
                        for size in [[7, 5], [1, 2], [33, 1]] + (mode == SNN_BICUBIC ? [] : [[4, 3, 5]]) {
                            let view = View(size: size, mode: mode, padding: padding, corners: corners)
                            lookCase(view, Float.self, 2e-4)
                            lookCase(view, Double.self, 1e-12)
                        }
                    }
                }
            }
        }
        @Test func sums() {
            for n in [1, 15, 16, 17, 48, room] {
                for taps in [1, 4, 8, 16] {
                    sumsCase(n, taps, Float.self, 1e-5)
                    sumsCase(n, taps, Double.self, 1e-13)
                }
            }
        }
    }
}

private struct View {
    let size: [Int]
    let mode, padding: Int
    let corners: Bool

    init(size: [Int], mode: some BinaryInteger, padding: some BinaryInteger, corners: Bool) {
        (self.size, self.mode, self.padding, self.corners) = (size, Int(mode), Int(padding), corners)
    }

    /// Where coordinate c of dimension d is: [(pixel, weight)] of the pixels inside.
    func taps(_ c: Double, _ d: Int) -> [(Int, Double)] {
        let n = size[d], x = corners ? (c + 1) / 2 * Double(n - 1) : ((c + 1) * Double(n) - 1) / 2
        var found: [(Double, Double)]
        if mode == Int(SNN_BICUBIC) {
            found = (-1...2).map { t in
                let pixel = floor(x) + Double(t), distance = abs(x - pixel)
                let near = 1.25 * pow(distance, 3) - 2.25 * distance * distance + 1
                let far = -0.75 * pow(distance, 3) + 3.75 * distance * distance - 6 * distance + 3
                return (inside(pixel, n), distance <= 1 ? near : far)
            }
        } else {
            let place = inside(x, n)
            found = mode == Int(SNN_NEAREST) ? [(place.rounded(.toNearestOrEven), 1)] : []
            if mode == Int(SNN_BILINEAR) { found = [(floor(place), 1 - place + floor(place)), (floor(place) + 1, place - floor(place))] }
        }
        found.removeAll { $0.0 < 0 || $0.0 >= Double(n) }
        return found.map { (Int($0.0), $0.1) }
    }
    private func inside(_ x: Double, _ n: Int) -> Double {
        var x = x
        if padding == Int(SNN_PAD_REFLECT) {
            let low = corners ? 0 : -0.5, high = corners ? Double(n - 1) : Double(n) - 0.5
            if low == high { return 0 }
            while x < low || x > high { x = x < low ? 2 * low - x : 2 * high - x }
        }
        return padding == Int(SNN_PAD_CONSTANT) ? x : min(max(x, 0), Double(n - 1))
    }
    /// The weight of every pixel for a point.
    func weights(_ point: [Double]) -> [Double] {
        var all: [(Int, Double)] = [(0, 1)]
        // The last dimension is the first coordinate.
        for d in size.indices.reversed() {
            let own = taps(point[d], d)
            all = all.flatMap { (place, weight) in own.map { (place * size[d] + $0.0, weight * $0.1) } }
        }
        var dense = [Double](repeating: 0, count: size.reduce(1, *))
        for (place, weight) in all { dense[place] += weight }
        return dense
    }
}

private func lookCase<T: Number>(_ view: View, _: T.Type, _ error: Double) {
    let dims = view.size.count, perAxis = view.mode == Int(SNN_NEAREST) ? 1 : view.mode == Int(SNN_BILINEAR) ? 2 : 4
    let taps = (0..<dims).reduce(1) { (product, _) in product * perAxis }
    var draw = Draw(view.size.reduce(taps, +))
    let n = 48, pixels = view.size.reduce(1, *)
    // Some far outside, one infinitely, one nowhere.
    var coordinates: [T] = draw.numbers(dims * room).map { (x: T) -> T in x * 2 }
    (coordinates[3], coordinates[room + 4], coordinates[5]) = (T(1e9), -.infinity, .nan)
    onEveryLevel("look \(view.size)") { (kernels: Kernels<T>) in
        let c = Fenced(coordinates), axes = Fenced<T>(dims * 12 * room, 0)
        let places = Fenced<T>(taps * room, 0), weights = Fenced<T>(taps * room, 0), slopes = Fenced<T>(dims * taps * room, 0)
        var p = snn_sights()
        (p.coordinates, p.axes) = (UnsafeRawPointer(c.pointer), UnsafeMutableRawPointer(axes.pointer))
        (p.dims, p.n) = (Int64(dims), Int64(n))
        (p.mode, p.padding, p.align_corners) = (Int64(view.mode), Int64(view.padding), view.corners ? 1 : 0)
        let s = view.size.map { Int64($0) }
        p.size = (s[0], s[1], dims == 3 ? s[2] : 1)
        p.step = dims == 3 ? (1, s[0], s[0] * s[1]) : (1, s[0], 0)
        (p.places, p.weights) = (UnsafeMutableRawPointer(places.pointer), UnsafeMutableRawPointer(weights.pointer))
        withExtendedLifetime((c, axes)) { kernels.table.look(&p) }
        let alone = weights.values
        p.slopes = UnsafeMutableRawPointer(slopes.pointer)
        withExtendedLifetime((c, axes)) { kernels.table.look(&p) }
        if firstDifference(alone, weights.values) != nil { report("look has other weights beside slopes") }
        // The weights of all pixels, and their derivatives, of each point.
        var dense: [T] = []
        for values in [weights.values] + (0..<dims).map({ Array(slopes.values[($0 * taps * room)..<(($0 + 1) * taps * room)]) }) {
            for i in 0..<n {
                var of = [T](repeating: 0, count: pixels)
                for t in 0..<taps {
                    let at = number(places.pointer, t * room + i)
                    guard at >= 0 && at < pixels else {
                        report("look of \(view.size) on \(kernels.name): a place is \(at)")
                        continue
                    }
                    of[at] += values[t * room + i]
                }
                dense += of
            }
        }
        if !(places.isIntact && weights.isIntact && slopes.isIntact && axes.isIntact) { report("look wrote in front of its memory") }
        return dense
    } _: { _, dense in
        for i in 0..<n where ![3, 4, 5].contains(i) {
            let point = (0..<dims).map { Double(coordinates[$0 * room + i]) }
            let expected = view.weights(point)
            for k in 0..<pixels where abs(Double(dense[i * pixels + k]) - expected[k]) > error {
                return "weight of pixel \(k) at \(point) is \(dense[i * pixels + k]), expected \(expected[k])"
            }
            for d in 0..<dims {
                var (low, high) = (point, point)
                (low[d], high[d]) = (low[d] - 1e-6, high[d] + 1e-6)
                let (a, b) = (view.weights(low), view.weights(high))
                for k in 0..<pixels where view.mode != Int(SNN_NEAREST) {
                    let slope = Double(dense[((d + 1) * n + i) * pixels + k]), difference = (b[k] - a[k]) / 2e-6
                    if abs(slope - difference) > max(error * 100, 1e-5) {
                        return "slope \(d) of pixel \(k) at \(point) is \(slope), expected \(difference)"
                    }
                }
            }
        }
        // Far away nothing is seen of zeros, and what there is at the border is seen of the rest. A single pixel's middle is everywhere.
        for i in [3, 4, 5] where !(view.corners && view.size.contains(1)) {
            let sum = dense[(i * pixels)..<((i + 1) * pixels)].reduce(0, +)
            let expected: T = view.padding == Int(SNN_PAD_CONSTANT) ? 0 : 1
            if abs(sum - expected) > 1e-4 { return "far outside the weights add up to \(sum)" }
        }
        return nil
    }
}

/// Place i, an integer as wide as T.
private func number<T: Number>(_ p: UnsafeMutablePointer<T>, _ i: Int) -> Int {
    let raw = UnsafeRawPointer(p)
    return T.self == Float.self
        ? Int(raw.loadUnaligned(fromByteOffset: 4 * i, as: Int32.self)) : Int(raw.loadUnaligned(fromByteOffset: 8 * i, as: Int64.self))
}

private func sumsCase<T: Number>(_ n: Int, _ taps: Int, _: T.Type, _ error: Double) {
    var draw = Draw(n * taps)
    let pixels = 200
    var image: [T] = draw.numbers(pixels)
    image[7] = .nan
    let at = (0..<(taps * room)).map { _ in draw.below(pixels) }
    // Weight 0 keeps the pixel that is no number out, and only weight 0.
    var weights: [T] = draw.numbers(taps * room)
    for i in weights.indices where at[i] == 7 || i % 5 == 0 { weights[i] = 0 }
    let factors: [T] = draw.numbers(room)
    func places() -> [T] {
        var bytes: [T] = Array(repeating: 0, count: taps * room)
        bytes.withUnsafeMutableBytes { memory in
            for (i, place) in at.enumerated() {
                if T.self == Float.self {
                    memory.storeBytes(of: Int32(place), toByteOffset: 4 * i, as: Int32.self)
                } else {
                    memory.storeBytes(of: Int64(place), toByteOffset: 8 * i, as: Int64.self)
                }
            }
        }
        return bytes
    }
    func near(_ got: [T], _ expected: [Double]) -> String? { within(got, expected, expected.map { _ in error }) }
    onEveryLevel("sample \(n) of \(taps)") { (kernels: Kernels<T>) in
        let p = Fenced(places()), w = Fenced(weights), x = Fenced(image), y = Fenced<T>(n, -99)
        var call = snn_sight_sums(places: p.pointer, weights: w.pointer, taps: Int64(taps), n: Int64(n), from: x.pointer, to: y.pointer)
        withExtendedLifetime((p, w, x)) { kernels.table.sample(&call) }
        if !y.isIntact { report("sample wrote in front of its memory") }
        return y.values
    } _: { _, y in
        near(
            y,
            (0..<n).map { i in
                (0..<taps).reduce(0) { sum, t in
                    let k = t * room + i
                    return weights[k] == 0 ? sum : sum + Double(weights[k]) * Double(image[at[k]])
                }
            })
    }
    image[7] = 1
    onEveryLevel("correlate \(n) of \(taps)") { (kernels: Kernels<T>) in
        let p = Fenced(places()), w = Fenced(Array(factors.prefix(n))), x = Fenced(image), y = Fenced<T>(taps * room, 1)
        var call = snn_sight_sums(places: p.pointer, weights: w.pointer, taps: Int64(taps), n: Int64(n), from: x.pointer, to: y.pointer)
        withExtendedLifetime((p, w, x)) { kernels.table.correlate(&call) }
        return y.values
    } _: { _, y in
        near(
            // What is behind n has no meaning.
            y.enumerated().map { $0 % room < n ? $1 : 0 },
            (0..<(taps * room)).map { k in k % room < n ? 1 + Double(factors[k % room]) * Double(image[at[k]]) : 0 })
    }
    onEveryLevel("scatter \(n) of \(taps)") { (kernels: Kernels<T>) in
        var given = factors
        given[0] = weights[0] == 0 && taps == 1 ? .nan : given[0]
        let p = Fenced(places()), w = Fenced(weights), x = Fenced(Array(given.prefix(n))), y = Fenced(image)
        var call = snn_sight_sums(places: p.pointer, weights: w.pointer, taps: Int64(taps), n: Int64(n), from: x.pointer, to: y.pointer)
        withExtendedLifetime((p, w, x)) { kernels.table.scatter(&call) }
        return y.values
    } _: { _, y in
        var expected = image.map { Double($0) }
        for t in 0..<taps {
            for i in 0..<n { expected[at[t * room + i]] += Double(weights[t * room + i]) * Double(factors[i]) }
        }
        return near(y, expected)
    }
}
