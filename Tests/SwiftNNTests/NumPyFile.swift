// Reads .npy files of version 1.0, little endian and in C order.
import CSwiftNN
import Foundation

/// An array in memory of its own, which is page-fenced at its end (FencedMemory.swift): reading past it stops the test.
final class NumPyArray {
    let dtype: Int32
    let shape: [Int]
    private let memory: FencedBytes

    var count: Int { shape.reduce(1, *) }
    var data: UnsafeMutableRawPointer { memory.start }

    init(dtype: Int32, shape: [Int]) {
        self.dtype = dtype
        self.shape = shape
        memory = FencedBytes(shape.reduce(1, *) * Int(snn_itemsize(dtype)))
    }

    convenience init(contentsOf file: URL) throws {
        let bytes = [UInt8](try Data(contentsOf: file))
        guard bytes.count >= 10, bytes[0..<8].elementsEqual([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]) else {
            throw FixtureError("\(file.path) is no .npy file of version 1.0")
        }
        let start = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
        let header = String(decoding: bytes[10..<start], as: UTF8.self)
        guard let code = Self.between("'descr': '", "'", header), let dtype = Self.dtypes[code], header.contains("'fortran_order': False"),
            let sizes = Self.between("'shape': (", ")", header)
        else { throw FixtureError("\(file.path) has a header that this reader does not know: \(header)") }
        let shape = sizes.split(separator: ",").compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
        self.init(dtype: dtype, shape: shape)
        let size = count * Int(snn_itemsize(dtype))
        guard bytes.count == start + size else { throw FixtureError("\(file.path) has \(bytes.count) bytes, expected \(start + size)") }
        bytes.withUnsafeBytes { if size > 0 { memcpy(data, $0.baseAddress! + start, size) } }
    }

    private static let dtypes: [String: Int32] = [
        "<f4": Int32(SNN_FLOAT32), "<f8": Int32(SNN_FLOAT64), "<i8": Int32(SNN_INT64), "<i4": Int32(SNN_INT32), "<i2": Int32(SNN_INT16),
        "|i1": Int32(SNN_INT8), "|u1": Int32(SNN_UINT8), "|b1": Int32(SNN_BOOL),
    ]

    private static func between(_ before: String, _ after: String, _ text: String) -> String? {
        guard let from = text.range(of: before), let to = text.range(of: after, range: from.upperBound..<text.endIndex) else { return nil }
        return String(text[from.upperBound..<to.lowerBound])
    }

    /// The elements as T, which has to be the file's own type.
    func values<T>(_: T.Type = T.self) -> [T] {
        precondition(MemoryLayout<T>.size == Int(snn_itemsize(dtype)))
        return [T](UnsafeBufferPointer(start: data.assumingMemoryBound(to: T.self), count: count))
    }
}

/// The element i of an array in C order, of any type that swiftnn.h knows.
func element(_ data: UnsafeRawPointer, _ dtype: Int32, _ i: Int) -> Double {
    switch Int(dtype) {
    case Int(SNN_FLOAT32): Double(data.load(fromByteOffset: 4 * i, as: Float.self))
    case Int(SNN_FLOAT64): data.load(fromByteOffset: 8 * i, as: Double.self)
    case Int(SNN_INT64): Double(data.load(fromByteOffset: 8 * i, as: Int64.self))
    case Int(SNN_INT32): Double(data.load(fromByteOffset: 4 * i, as: Int32.self))
    case Int(SNN_INT16): Double(data.load(fromByteOffset: 2 * i, as: Int16.self))
    case Int(SNN_INT8): Double(data.load(fromByteOffset: i, as: Int8.self))
    default: Double(data.load(fromByteOffset: i, as: UInt8.self))
    }
}
