// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Verifier of the proofs of a round
/// @notice Accepts a proof of the claim that its statement spells out, and nothing else.
/// @dev All members are static, so `abi.encode` is one 32-byte word each. The digest of a statement is
/// `keccak256(abi.encode(keccak256("pogo/statement/v1"), statement))`. Roots, layout and samples are
/// elements of the scalar field of BN254; the words from the parent root on are public inputs.
interface IRoundVerifier {
    /// @notice The public claim of one proof, up to its samples.
    struct Claim {
        bytes32 circuit;
        bytes32 srs;
        uint64 chainId;
        address contractAddress;
        bytes32 task;
        uint64 round;
        address miner;
        bytes32 commitment;
        bytes32 spec;
        uint256 dataRoot;
        bytes32 beacon;
        uint32 part;
        uint32 parts;
        uint256 parentRoot;
        uint256 stepsRoot;
        uint256 stateRoot;
        uint256 quantizedRoot;
        uint256 modelLayout;
        uint32 recordCount;
    }

    /// @notice A statement of the round circuit: update and quantize cells.
    struct Statement {
        Claim claim;
        uint256[5] samples;
    }

    /// @notice A statement of a step circuit: cells of any other kind.
    struct StepStatement {
        Claim claim;
        uint256[16] samples;
    }

    /// @notice A proof was accepted for the statement with this digest.
    event Verified(bytes32 indexed digest, bytes32 indexed task, address indexed miner, uint64 round, uint32 part);

    /// @notice No code at the address of a generated verifier.
    error NoVerifier(address verifier);
    /// @notice A generated verifier does not say what it is for.
    error NoIds(address verifier);
    /// @notice The code that holds the keys is not the one that the generated verifier names.
    error OtherKeys(bytes32 expected, bytes32 got);
    /// @notice A development SRS, whose proofs anyone can forge, outside of a local chain.
    error DevelopmentSrs(uint256 chainId);
    /// @notice Calldata is not exactly one statement and one proof.
    error InvalidLength(uint256 expected, uint256 got);
    /// @notice The proof does not start right behind the statement.
    error InvalidOffset(uint256 expected, uint256 got);
    /// @notice The statement is not for the round circuit.
    error OtherCircuit(bytes32 expected, bytes32 got);
    /// @notice The statement is for none of the step circuits.
    error UnknownCircuit(bytes32 got);
    /// @notice The statement, or a generated verifier, is for another SRS.
    error OtherSrs(bytes32 expected, bytes32 got);
    /// @notice The statement is for another chain.
    error OtherChain(uint256 expected, uint256 got);
    /// @notice The statement is for another contract.
    error OtherContract(address expected, address got);
    /// @notice A word of the statement is not below the scalar modulus.
    /// @param index Number of the word, from 0.
    error InvalidField(uint256 index);
    /// @notice A point of the proof is not on the curve, or a coordinate not below the base modulus.
    /// @param index Number of the word of its x coordinate in the proof, from 0.
    error InvalidPoint(uint256 index);
    /// @notice A scalar of the proof is not below the scalar modulus.
    /// @param index Number of the word in the proof, from 0.
    error InvalidScalar(uint256 index);
    /// @notice Less gas than the generated verifier may take.
    error InsufficientGas(uint256 needed, uint256 got);
    /// @notice The proof does not prove the statement.
    error InvalidProof();
    /// @notice The statement was recorded before.
    error AlreadyRecorded(bytes32 digest);

    /// @notice Returns `true` when `proof` proves `statement`, and reverts otherwise.
    /// @param statement The claim, which names this chain and this contract.
    /// @param proof Commitments, evaluations and the opening, 32 bytes a word, big-endian.
    function verify(Statement calldata statement, bytes calldata proof) external view returns (bool);

    /// @notice The same for a statement of a step circuit.
    function verify(StepStatement calldata statement, bytes calldata proof) external view returns (bool);

    /// @notice Verifies as `verify` does and remembers the statement, once.
    /// @return digest Digest of the statement.
    function record(Statement calldata statement, bytes calldata proof) external returns (bytes32 digest);

    /// @notice The same for a statement of a step circuit.
    function record(StepStatement calldata statement, bytes calldata proof) external returns (bytes32 digest);

    /// @notice Whether a proof of the statement with this digest was recorded.
    function recorded(bytes32 digest) external view returns (bool);
}
