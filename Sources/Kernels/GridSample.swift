// What points of a grid see of an image, and sums over it.
//
// Every dimension has its own taps, 1 (nearest), 2 (linear) or 4 (cubic), with weights that are polynomials of the position; a point's taps
// are all combinations, their weights products. A position that is no number is far outside.
import CSwiftNN

private var room: Int { Int(SNN_SIGHTS) }

/// One dimension, `last` being its last pixel.
private struct Axis<T: Real> {
    typealias V = T.Vector
    let mode, padding: Int64
    let size, step: Int
    let alignCorners: Bool
    /// Pixels to one of the grid, which has -1 and 1 at the borders, or at the middles of the first and the last pixel with alignCorners.
    let scale: T
    var last: V { V(T(size - 1)) }

    init(_ p: UnsafePointer<snn_sights>, size: Int64, step: Int64) {
        (mode, padding) = (p.pointee.mode, p.pointee.padding)
        (self.size, self.step) = (Int(size), Int(step))
        alignCorners = p.pointee.align_corners != 0
        scale = T(alignCorners ? self.size - 1 : self.size) / 2
    }

    @inline(__always) func position(_ c: V) -> V {
        let x = (c + .one) * V(scale), far = V(0x1p30)
        return V.min(V.max(-far, alignCorners ? x : x - V(0.5)), far)
    }

    /// The position inside that stands for x, and its derivative: the nearest, or, between mirrors at the borders, x's image.
    @inline(__always) func padded(_ x: V) -> (V, V) {
        if padding == Int64(SNN_PAD_CONSTANT) { return (x, .one) }
        var inside = x, slope = V.one
        if padding == Int64(SNN_PAD_REFLECT) {
            let low = V(alignCorners ? 0 : T(-0.5)), span = V(2 * scale)
            if scale == 0 { return (.zero, .zero) }
            inside = (x - low).abs()
            let times = (inside / span).floor()
            let rest = V.max(inside - times * span, .zero)
            let odd = V.less(.zero, times - V(2) * (times * V(0.5)).floor())
            inside = V.select(odd, span - rest, rest) + low
            slope = V.select(odd, -slope, slope)
            slope = V.select(V.less(x, low), -slope, slope)
        }
        slope = V.select(V.less(.zero, inside), V.select(V.less(inside, last), slope, .zero), .zero)
        return (V.min(V.max(.zero, inside), last), slope)
    }

    @inline(__always)
    func put(_ pixel: V, _ weight: V, _ slope: V, _ places: UnsafeMutablePointer<T>, wanted: Bool) {
        let outside = V.either(V.less(pixel, .zero), V.less(last, pixel))
        V.storePlaces(V.select(outside, .zero, pixel).places(step: step), places)
        V.select(outside, .zero, weight).store(places + 4 * room)
        if wanted { V.select(outside, .zero, slope).store(places + 8 * room) }
    }

    /// The taps of n points: tap t's places at t * room, weights 4 rooms and slopes 8 rooms behind.
    @inline(never)
    func look(_ coordinates: UnsafePointer<T>, _ n: Int, _ places: UnsafeMutablePointer<T>, slopes wanted: Bool) {
        for i in stride(from: 0, to: n, by: V.lanes) {
            let c = V.load(coordinates + i), to = places + i
            switch mode {
            case Int64(SNN_NEAREST):
                put(padded(position(c)).0.nearest(), .one, .zero, to, wanted: wanted)
            case Int64(SNN_BILINEAR):
                let (x, slope) = padded(position(c))
                let low = x.floor(), weight = x - low, s = slope * V(scale)
                put(low, .one - weight, -s, to, wanted: wanted)
                put(low + .one, weight, s, to + room, wanted: wanted)
            default:
                let x = position(c), low = x.floor(), rest = x - low
                for t in 0..<4 {
                    let pixel = low + V(T(t - 1)), distance = rest + V(T(1 - t))
                    let (weight, slope) = Axis.cubic(distance.abs())
                    let s = V.select(V.less(distance, .zero), -slope, slope) * V(scale)
                    put(padded(pixel).0, weight, s, to + t * room, wanted: wanted)
                }
            }
        }
    }

    /// Keys' cubic convolution with a = -3/4 at a distance of 0 to 2, and its derivative.
    @inline(__always) private static func cubic(_ x: V) -> (V, V) {
        let far = V.less(.one, x)
        let near = (V(1.25) * x - V(2.25)) * x * x + .one, nearSlope = (V(3.75) * x - V(4.5)) * x
        let wide = ((V(-0.75) * x + V(3.75)) * x - V(6)) * x + V(3), wideSlope = (V(-2.25) * x + V(7.5)) * x - V(6)
        return (V.select(far, wide, near), V.select(far, wideSlope, nearSlope))
    }
}

/// See snn_sights.
@inline(never)
func look<T: Real>(_ p: UnsafePointer<snn_sights>, _: T.Type) {
    typealias V = T.Vector
    let n = Int(p.pointee.n), dims = Int(p.pointee.dims)
    let wanted = p.pointee.slopes != nil
    let coordinates = p.pointee.coordinates.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let axes = p.pointee.axes.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let places = p.pointee.places.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let weights = p.pointee.weights.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let sizes = p.pointee.size, steps = p.pointee.step
    Axis<T>(p, size: sizes.0, step: steps.0).look(coordinates, n, axes, slopes: wanted)
    Axis<T>(p, size: sizes.1, step: steps.1).look(coordinates + room, n, axes + 12 * room, slopes: wanted)
    if dims == 3 { Axis<T>(p, size: sizes.2, step: steps.2).look(coordinates + 2 * room, n, axes + 24 * room, slopes: wanted) }
    let count = p.pointee.mode == Int64(SNN_NEAREST) ? 1 : p.pointee.mode == Int64(SNN_BILINEAR) ? 2 : 4
    let taps = dims == 3 ? count * count * count : count * count
    let slopes = wanted ? p.pointee.slopes.unsafelyUnwrapped.assumingMemoryBound(to: T.self) : nil
    for t in 0..<taps {
        let x = axes + t % count * room, y = axes + (t / count % count + 12) * room, z = axes + (t / (count * count) + 24) * room
        for i in stride(from: 0, to: n, by: V.lanes) {
            let at = t * room + i
            var place = V.sum(V.loadPlaces(x + i), V.loadPlaces(y + i))
            let wx = V.load(x + 4 * room + i), wy = V.load(y + 4 * room + i)
            var wz = V.one
            if dims == 3 {
                place = V.sum(place, V.loadPlaces(z + i))
                wz = V.load(z + 4 * room + i)
            }
            V.storePlaces(place, places + at)
            (wx * wy * wz).store(weights + at)
            if let slopes {
                (V.load(x + 8 * room + i) * wy * wz).store(slopes + at)
                (wx * V.load(y + 8 * room + i) * wz).store(slopes + taps * room + at)
                if dims == 3 { (wx * wy * V.load(z + 8 * room + i)).store(slopes + 2 * taps * room + at) }
            }
        }
    }
}

/// The fields of a snn_sight_sums.
private struct Sums<T: Real> {
    let places, weights, from: UnsafePointer<T>
    let to: UnsafeMutablePointer<T>
    let taps, n: Int

    init(_ p: UnsafePointer<snn_sight_sums>) {
        places = p.pointee.places.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
        weights = p.pointee.weights.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
        from = p.pointee.from.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
        to = p.pointee.to.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
        (taps, n) = (Int(p.pointee.taps), Int(p.pointee.n))
    }
}

/// to[i] = Σ_t weights[t, i] from[places[t, i]], one fused multiply-add each; n may be any number.
@inline(never)
func sample<T: Real>(_ p: UnsafePointer<snn_sight_sums>, _: T.Type) {
    typealias V = T.Vector
    let s = Sums<T>(p)
    walk(s.n, V.self) { (i, left) in
        var sum = V.zero
        for t in 0..<s.taps {
            let weight = V.load(s.weights + (t * room + i))
            let pixel = V.gather(s.from, V.loadPlaces(s.places + (t * room + i)))
            // What lies outside counts nothing, whatever the pixel is whose place stands for it.
            sum = V.fma(weight, V.select(V.less(.zero, weight.abs()), pixel, .zero), sum)
        }
        sum.put(s.to + i, left)
    }
}

/// to[t, i] += weights[i] from[places[t, i]]
@inline(never)
func correlate<T: Real>(_ p: UnsafePointer<snn_sight_sums>, _: T.Type) {
    typealias V = T.Vector
    let s = Sums<T>(p)
    walk(s.n, V.self) { (i, left) in
        let weight = V.part(s.weights + i, left)
        for t in 0..<s.taps {
            let at = t * room + i
            V.fma(weight, V.gather(s.from, V.loadPlaces(s.places + at)), V.load(s.to + at)).store(s.to + at)
        }
    }
}

/// to[places[t, i]] += weights[t, i] from[i], tap after tap, so that neighbours seldom wait for each other's sum.
@inline(never)
func scatter<T: Real>(_ p: UnsafePointer<snn_sight_sums>, _: T.Type) {
    let s = Sums<T>(p)
    for t in 0..<s.taps {
        let weights = s.weights + t * room
        let places = UnsafeRawPointer(s.places + t * room).assumingMemoryBound(to: T.Vector.PlaceNumber.self)
        for i in 0..<s.n where weights[i] != 0 { s.to[Int(places[i])] += weights[i] * s.from[i] }
    }
}
